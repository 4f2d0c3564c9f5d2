"""What the addresses of the server share."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from gptasr_subs.server.page.proxies import Proxies
from gptasr_subs.server.page.resumable import ResumableUploads
from gptasr_subs.server.recognition import Recognition
from gptasr_subs.server.settings import Settings
from gptasr_subs.server.uploads import UploadFolder


@dataclass(frozen=True, slots=True)
class Services:
    """The recognition, and where uploads lie: those of requests, of jobs, of the page."""

    settings: Settings
    recognition: Recognition
    uploads: UploadFolder
    job_uploads: UploadFolder
    films: ResumableUploads
    proxies: Proxies


def services_of(request: Request) -> Services:
    """Those of the application that answers."""
    services: Services = request.app.state.services
    return services
