-- Subtitles for the file that is playing, made while it plays. Copy this file to ~/.config/mpv/scripts/.
--
-- Ctrl+g begins at the play position (press it again after a jump), Ctrl+h stops. Options go to
-- ~/.config/mpv/script-opts/gptasr-subs.conf, a line "name=value" for each of those below.

local options = require "mp.options"
local utils = require "mp.utils"

local settings = {
    start = "Ctrl+g",
    stop = "Ctrl+h",
    program = "gptasr-subs",
    model = "default",
    lang = "en",
    device = "auto",
}
options.read_options(settings, "gptasr-subs")

local SECONDS_BETWEEN_LOOKS = 0.3
local files = {} -- to remove at the end
local job = nil -- {process, file, seen, timer} while a file is being recognised

local function tell(text)
    mp.osd_message("Subtitles: " .. text, 3)
end

-- mpv gives a track another number whenever it is reloaded.
local function track_of(file)
    for _, track in ipairs(mp.get_property_native("track-list")) do
        if track.type == "sub" and track["external-filename"] == file then
            return track.id
        end
    end
end

local function show(file)
    local id = track_of(file)
    if id then
        mp.commandv("sub-reload", id)
    else
        mp.commandv("sub-add", file, "select", "gptasr-subs", settings.lang)
    end
end

local function look(current)
    local facts = utils.file_info(current.file)
    if not facts then
        return
    end
    local state = facts.mtime .. "/" .. facts.size
    if facts.size > 0 and state ~= current.seen then
        current.seen = state
        show(current.file)
    end
end

local function stop()
    if job then
        local ended = job
        job = nil
        ended.timer:kill()
        mp.abort_async_command(ended.process)
    end
end

local function has_cues(file)
    local opened = io.open(file)
    local text = opened and opened:read("*a") or ""
    if opened then
        opened:close()
    end
    return text:find("-->", 1, true) ~= nil
end

local function finish(current, success, result)
    if job ~= current then -- stopped, or begun anew
        return
    end
    job = nil
    current.timer:kill()
    if success and result.status == 0 then
        look(current)
        tell(has_cues(current.file) and "complete" or "there is no speech in this audio track")
    else
        local reason = result and result.stderr and result.stderr:match("([^\n]+)\n*$")
        tell(reason or ("could not run " .. settings.program))
    end
end

-- mpv keeps the address of an external track as it was given.
local function without_scheme(address)
    local escaped = address:match("^file://(.*)")
    local function letter(code) return string.char(tonumber(code, 16)) end
    return escaped and escaped:gsub("%%(%x%x)", letter) or address
end

-- The file and the number of the audio track that plays; no number where none is selected. The
-- program counts the audio tracks within one file, from 0.
local function playing_track(path)
    local before = 0
    for _, track in ipairs(mp.get_property_native("track-list")) do
        if track.type == "audio" then
            if track.selected and track.external then
                return without_scheme(track["external-filename"]), 0
            elseif track.selected then
                return path, before
            elseif not track.external then
                before = before + 1
            end
        end
    end
    return path, nil
end

local function temporary_file()
    local folder = os.getenv("TMPDIR") or os.getenv("TEMP") or "/tmp"
    return utils.join_path(folder, string.format("gptasr-subs-%d-%d.srt", utils.getpid(), mp.get_time() * 1000))
end

local function start()
    local path = mp.get_property("path", "")
    if path == "" or path:find("://") then
        tell("only files on this computer can have subtitles made")
        return
    end
    stop()
    local position = math.max(mp.get_property_number("time-pos", 0), 0)
    local current = { file = temporary_file() }
    local command = {
        settings.program, "--progressive", "--from", string.format("%.2f", position), "--quiet",
        "--model", settings.model, "--lang", settings.lang, "--device", settings.device,
        "--output", current.file,
    }
    local source, number = playing_track(path)
    if number then
        table.insert(command, "--audio-track")
        table.insert(command, tostring(number))
    end
    table.insert(command, "--")
    table.insert(command, utils.join_path(mp.get_property("working-directory", ""), source))
    current.process = mp.command_native_async(
        { name = "subprocess", args = command, playback_only = false, capture_stderr = true },
        function(success, result) finish(current, success, result) end
    )
    current.timer = mp.add_periodic_timer(SECONDS_BETWEEN_LOOKS, function() look(current) end)
    job = current
    table.insert(files, current.file)
    tell("made from here on")
end

mp.add_key_binding(settings.start, "start", start)
mp.add_key_binding(settings.stop, "stop", function()
    if job then
        stop()
        tell("stopped")
    end
end)
mp.register_event("end-file", stop)
mp.register_event("shutdown", function()
    stop()
    for _, file in ipairs(files) do
        os.remove(file)
    end
end)
