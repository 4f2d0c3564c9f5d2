// What the package openai of npm makes of a server: node openai.cjs URL MEDIA BROKEN
const fs = require("fs");
const OpenAI = require("openai");

const [url, media, broken] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0 });
const transcribe = (path, options) =>
  client.audio.transcriptions.create({ file: fs.createReadStream(path), ...options });

async function main() {
  const found = { events: [] };
  for (const format of ["json", "text", "srt", "vtt", "verbose_json", "diarized_json"])
    found[format] = await transcribe(media, { model: "whisper-1", response_format: format });
  for await (const event of await transcribe(media, { model: "whisper-1", stream: true }))
    found.events.push(event);
  try {
    await transcribe(media, { model: "none" });
  } catch (error) {
    found.unknown = [error instanceof OpenAI.NotFoundError, error.code, error.param];
  }
  try {
    for await (const event of await transcribe(broken, { model: "whisper-1", stream: true }));
  } catch (error) {
    found.failed = [error instanceof OpenAI.APIError, error.message];
  }
  console.log(JSON.stringify(found));
}

main();
