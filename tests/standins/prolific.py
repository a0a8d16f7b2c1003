"""A stand-in for Prolific's API and for the page that participants come back to with a code."""

from __future__ import annotations

import json
from itertools import count
from typing import Any
from urllib.parse import urlencode

from tests.standins.serving import Answer, Request, Server

TOKEN = "stand-in-token"
API = "/api/v1/"
FIELDS = {
    "name": str, "internal_name": str, "description": str, "external_study_url": str,
    "prolific_id_option": str, "completion_codes": list, "total_available_places": int,
    "estimated_completion_time": int, "maximum_allowed_time": int, "reward": int,
    "device_compatibility": list, "filters": list,
}  # fmt: skip
"""Of a study that is made, with their types."""


class Refusal(Exception):
    pass


class ProlificStandIn:
    """One workspace. `at_site` maps the public origin that a study has to where the site listens."""

    def __init__(self, *, at_site: dict[str, str] | None = None) -> None:
        self.at_site = at_site or {}
        self.ids = count(1)
        self.studies: dict[str, dict[str, Any]] = {}
        self.submissions: dict[str, dict[str, Any]] = {}
        self.bonuses: dict[str, list[tuple[str, str]]] = {}
        self.returns: dict[str, list[str]] = {}
        self.written: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.broken: list[int] = []
        """Statuses that the next requests are answered with, each after it was carried out."""
        self.server = Server(self._answer)
        self.url = self.server.url

    def close(self) -> None:
        self.server.close()

    def _answer(self, request: Request) -> Answer:
        if request.path == "/submissions/complete":
            return self._complete(request.query.get("cc", ""))
        if not request.path.startswith(API):
            return Answer(status=204)
        if request.headers.get("Authorization") != f"Token {TOKEN}":
            return self._json({"error": {"detail": "Authentication credentials were not provided."}}, 401)
        self.calls.append(f"{request.method} {request.path}")
        path = request.path.removeprefix(API).strip("/").split("/")
        body = json.loads(request.body) if request.body else {}
        try:
            told = self._api(request.method, path, body, request.query)
        except Refusal as error:
            return self._json({"error": {"detail": str(error)}}, 400)
        status = self.broken.pop(0) if self.broken else 200
        return self._json(told if status == 200 else {}, status)

    def _api(self, method: str, path: list[str], body: dict[str, Any], query: dict[str, str]) -> Any:
        match method, path:
            case "GET", ["studies"]:
                return self._page(list(self.studies.values()), query)
            case "POST", ["studies"]:
                return self._make(body)
            case "GET", ["studies", study]:
                return self.studies[study]
            case "POST", ["studies", study, "transition"]:
                return self._move(self.studies[study], body["action"])
            case "GET", ["studies", study, "submissions"]:
                return self._page([s for s in self.submissions.values() if s["study_id"] == study], query)
            case "POST", ["submissions", "bonus-payments"]:
                return self._set_up(body)
            case "POST", ["bulk-bonus-payments", known, "pay"]:
                return self._pay(known)
            case "POST", ["messages"]:
                return self._write(body)
            case "GET", ["messages"]:
                return {"results": [m for m in self.written if m["recipient_id"] == query["user_id"]]}
            case "GET", ["submissions", known]:
                if known not in self.submissions:
                    raise Refusal("Not found.")
                return self.submissions[known]
            case "POST", ["submissions", known, "transition"]:
                return self._judge(self.submissions[known], body)
            case "POST", ["submissions", known, "request-return"]:
                self.returns[known] = body["request_return_reasons"]
                return {}
        raise AssertionError(f"Prolific has no {method} {path}")

    def _make(self, body: dict[str, Any]) -> dict[str, Any]:
        for name, kind in FIELDS.items():
            assert isinstance(body[name], kind), name
        assert set(body) == set(FIELDS)
        codes = body["completion_codes"]
        assert len({code["code"] for code in codes}) == len(codes)
        if not body["external_study_url"].startswith("https://"):
            raise Refusal("external_study_url must be https")
        known = f"study{next(self.ids):06d}"
        self.studies[known] = {**body, "id": known, "status": "UNPUBLISHED"}
        return self.studies[known]

    def _move(self, study: dict[str, Any], action: str) -> dict[str, Any]:
        moves = {("UNPUBLISHED", "PUBLISH"): "ACTIVE", ("ACTIVE", "STOP"): "AWAITING REVIEW"}
        if (study["status"], action) not in moves:
            raise Refusal(f"The study is {study['status']}")
        study["status"] = moves[study["status"], action]
        return study

    def _judge(self, submission: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        if submission["status"] != "AWAITING REVIEW":
            raise Refusal(f"The submission is {submission['status']}")
        if body["action"] == "REJECT":
            assert len(body["message"]) >= 100
            assert body["rejection_category"]
        submission["status"] = {"APPROVE": "APPROVED", "REJECT": "REJECTED"}[body["action"]]
        return submission

    def _set_up(self, body: dict[str, Any]) -> dict[str, Any]:
        assert body["study_id"] in self.studies
        lines = [line.split(",") for line in body["csv_bonuses"].splitlines()]
        known = f"bonus{next(self.ids):06d}"
        self.bonuses[known] = [(submission, money) for submission, money in lines]
        return {"id": known}

    def _pay(self, known: str) -> dict[str, Any]:
        for submission, money in self.bonuses.pop(known):
            self.submissions[submission]["bonus_payments"].append(round(float(money) * 100))
        return {}

    def _write(self, body: dict[str, Any]) -> dict[str, Any]:
        assert set(body) == {"recipient_id", "body", "study_id"}
        if not any(found["participant_id"] == body["recipient_id"] for found in self.submissions.values()):
            raise Refusal("Not a participant of this study")
        self.written.append(body)
        return {}

    def _page(self, everything: list[Any], query: dict[str, str]) -> dict[str, Any]:
        begin, size = int(query.get("offset", 0)), int(query.get("limit", 20))
        return {"results": everything[begin : begin + size]}

    def _json(self, told: Any, status: int) -> Answer:
        return Answer(json.dumps(told).encode(), status, "application/json")

    # ── what participants do ──────────────────────────────────────────────────────────────────

    def take(self, study_id: str, participant: str) -> tuple[str, dict[str, str]]:
        """A participant takes a place: where they are sent, and with what."""
        study = self.studies[study_id]
        known = f"session{next(self.ids):06d}"
        self.submissions[known] = {
            "id": known, "study_id": study_id, "participant_id": participant, "status": "ACTIVE",
            "bonus_payments": [],
        }  # fmt: skip
        values = {"PROLIFIC_PID": participant, "STUDY_ID": study_id, "SESSION_ID": known}
        url, _, query = study["external_study_url"].partition("?")
        for name in values:
            assert f"{name}={{{{%{name}%}}}}" in query
        for public, here in self.at_site.items():
            url = url.replace(public, here)
        return f"{url}?{urlencode(values)}", values

    def hand_in(self, submission: str, code: str) -> str:
        """They come back with a code; what kind of code it is."""
        found = self.submissions[submission]
        codes = {
            code["code"]: code["code_type"] for code in self.studies[found["study_id"]]["completion_codes"]
        }
        found["status"], found["code"] = "AWAITING REVIEW", code
        return codes.get(code, "NOCODE")

    def _complete(self, code: str) -> Answer:
        """The page that a browser is sent to; it knows the participant by their session there."""
        (active,) = [s["id"] for s in self.submissions.values() if s["status"] == "ACTIVE"]
        kind = self.hand_in(active, code)
        return Answer(f'<!doctype html><html lang="en"><title>Done</title><h1>{kind}</h1>'.encode())
