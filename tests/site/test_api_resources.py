"""What the API tells of a campaign, and does with it: the same as the pages."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotation_site import enqueue
from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.budget.caps import change_budget
from annotation_site.catalog.models import Project
from annotation_site.people.models import Membership, StandingChange
from annotation_site.preparing.models import Estimate
from annotation_site.results.export_files import write_export
from annotation_site.results.models import ExportFile
from annotation_site.verification.forecasting import basis_of
from annotation_site.verification.models import Judgment, Overruling
from tests.factories import ProjectFactory
from tests.site.api_ground import ApiGround, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ground():
    return ApiGround.laid()


@pytest.fixture
def client(ground):
    return ground.client()


def send(client: Client, method: str, url: str, **body: object):
    return getattr(client, method)(url, json.dumps(body), "application/json")


def told(client: Client, url: str):
    answer = client.get(url)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_status_is_that_of_the_command(ground, client):
    status = told(client, ground.url("projects/{slug}/status"))
    assert status["campaign"]["questions"] == Judgment.objects.count() > 40
    assert status["images"] == {"heldout": 1, "pool": 1}
    assert [stage["state"] for stage in status["stages"]][-1] == "done"


def test_the_overview_is_that_of_the_page(ground, client):
    change_budget(
        project=ground.project, questions=Judgment.objects.count(), pay_per_question=Decimal("0.02")
    )
    found = told(client, ground.url("projects/{slug}/overview"))
    assert (
        found["bought"]["questions"]
        == Judgment.objects.count()
        == sum(h["answers"] for h in found["throughput"])
    )
    assert found["bought"]["accepted_masks"] == sum(one["accepted"] for one in found["categories"]) > 0
    assert 0 < found["quality"]["low"] <= found["quality"]["value"] <= found["quality"]["high"] <= 1
    assert [one["share"]["value"] for one in found["gold"]] == [1.0] * len(found["gold"]) != []
    (spent,) = [alarm for alarm in found["alarms"] if alarm["key"] == "budget-spent"]
    assert spent["page"] == f"http://testserver/projects/{ground.project.slug}/setup/?at=budget#budget"
    assert found["forecast"] is None, "No worker has planned it."


def test_a_campaign_is_paused_and_opened(ground, client):
    state = ground.url("projects/{slug}/state")
    assert send(client, "put", state, state="paused").json()["state"] == "paused"
    assert Project.objects.get(pk=ground.project.pk).state == "paused"
    assert send(client, "put", state, state="open").json()["state"] == "open"
    Project.objects.update(state="draft")
    assert send(client, "put", state, state="open").status_code == 409


def test_trees_lead_to_nodes_and_their_decisions(ground, client):
    trees = told(client, ground.url("projects/{slug}/trees"))["results"]
    assert [tree["id"] for tree in trees] == [ground.places["tree"]]
    root = told(client, ground.url("projects/{slug}/trees/{tree}/nodes/0"))
    assert (root["size"], root["parent"]) == (trees[0]["masks"], None)
    child = told(
        client, ground.url("projects/{slug}/trees/{tree}/nodes/{node}", node=root["children"][0]["node"])
    )
    assert child["parent"]["node"] == 0
    assert child["hi"] == root["children"][1]["lo"]
    decision = told(client, ground.url("projects/{slug}/decisions"))["results"][0]
    decided = told(client, ground.url("projects/{slug}/trees/{tree}/nodes/{node}", node=decision["node"]))
    assert decided["decision"] == decision
    assert decided["quality"]["low"] <= decided["quality"]["share"] <= decided["quality"]["high"]
    evidence = told(client, ground.url("projects/{slug}/decisions/{decision}", decision=decision["id"]))
    says = [one["says"][0] for one in evidence["sampled"]]
    assert (says.count("yes"), says.count("no")) == (decision["yes"], decision["no"])
    missing = client.get(ground.url("projects/{slug}/trees/{tree}/nodes/{node}", node=10**9))
    assert missing.status_code == 404


def test_a_window_of_a_tree_has_what_can_be_seen(ground, client):
    seen = told(client, ground.url("projects/{slug}/trees/{tree}/nodes") + "?lo=0&hi=64&least=8&levels=4")
    assert seen["node"][0] == 0
    assert all(hi - lo >= 8 for lo, hi in zip(seen["lo"], seen["hi"], strict=True))
    assert {len(column) for column in seen.values()} == {len(seen["node"])}


def test_masks_are_found_by_what_became_of_them(ground, client):
    url = ground.url("projects/{slug}/masks")
    seen, address = [], f"{url}?became=accepted&limit=20"
    while address:
        page = told(client, address)
        seen += page["results"]
        address = page["next"]
    tree = told(client, ground.url("projects/{slug}/trees"))["results"][0]
    assert len(seen) == len({one["id"] for one in seen}) == tree["accepted"] > 20
    assert {one["became"] for one in seen} == {"accepted"}
    best = told(client, f"{url}?tree={tree['id']}&order=best&limit=200")
    scores = [one["score"] for one in best["results"]]
    assert scores == sorted(scores, reverse=True)
    rest = told(client, f"{url}?tree={tree['id']}&order=best&limit=150")
    again = told(client, rest["next"])
    assert (rest["results"] + again["results"])[:200] == best["results"]


def test_a_mask_says_why(ground, client):
    judged = Judgment.objects.filter(question__mask__isnull=False).earliest("pk")
    mask = told(client, ground.url("projects/{slug}/masks/{mask}", mask=judged.question.mask_id))
    assert mask["says"] == [judged.says]
    assert mask["judgments"][0]["worker"] == "Ada"
    assert mask["clusters"]
    assert mask["segmentation"]["size"] == [48, 64]


def test_a_node_is_overruled_and_that_is_undone(ground, client):
    node = ground.url("projects/{slug}/trees/{tree}/nodes/{node}")
    made = send(client, "post", f"{node}/verdicts", verdict="accept", reason="All of it is right.")
    assert made.status_code == 201
    assert (made.json()["by"], made.json()["stands"]) == ("owner", True)
    assert told(client, node)["became"] == "accept"
    undone = client.delete(made["Location"])
    assert undone.json()["undone_by"] == "owner"
    assert told(client, made["Location"])["stands"] is False
    assert told(client, node)["became"] != "accept"
    told_all = told(client, ground.url("projects/{slug}/verdicts"))["results"]
    assert [one["id"] for one in told_all] == [made.json()["id"], ground.places["verdict"]]
    refused = send(client, "post", f"{node}/verdicts", verdict="reopen", reason="Again.")
    assert (refused.status_code, refused.json()["type"]) == (409, "cannot-overrule")
    assert Overruling.objects.count() == 2


def test_budget_and_ledger(ground, client):
    url = ground.url("projects/{slug}/budget")
    assert told(client, url)["committed_questions"] == Judgment.objects.count()
    assert send(client, "patch", url, questions=500, pay_per_question="0.0100").json()["questions"] == 500
    refused = send(client, "patch", url, questions=1)
    assert (refused.status_code, refused.json()["type"]) == (409, "cap-below-spend")
    entries = told(client, ground.url("projects/{slug}/ledger") + "?limit=3")["results"]
    assert [entry["kind"] for entry in entries] == ["settle", "release", "reserve"]
    estimate = ground.url("projects/{slug}/estimate")
    assert told(client, estimate)["state"] == "not asked for"
    assert (send(client, "post", estimate).status_code, told(client, estimate)["state"]) == (202, "waiting")


def test_a_worker_is_stopped_and_reinstated_with_a_reason(ground, client):
    worker = ground.url("projects/{slug}/workers/{worker}")
    before = told(client, worker)["answers"]
    assert before == Judgment.objects.count()
    assert send(client, "post", f"{worker}/note", text="Writes to us.").status_code == 200
    stopped = send(client, "post", f"{worker}/stop", reason="A script.").json()
    assert stopped["standing"] == "stopped"
    assert stopped["answers"] == before, "They were given, though they count no more."
    assert not Judgment.objects.counting().filter(of_gold=False).exists()
    back = send(client, "post", f"{worker}/reinstate", reason="A mistake.", restore=True).json()
    assert (back["standing"], back["answers"]) == ("qualified", before)
    assert [change["reason"] for change in back["changes"]] == ["A mistake.", "A script.", "Writes to us."]
    assert set(StandingChange.objects.values_list("by", flat=True)) >= {"owner"}
    assert send(client, "post", f"{worker}/stop", reason=" ").status_code == 400


def test_somebody_of_ones_own_is_given_a_link(ground, client):
    made = send(client, "post", ground.url("projects/{slug}/workers"), name="Grace", vouch=True)
    assert made.status_code == 201
    secret = Membership.objects.get(worker__name="Grace").secret
    assert made.json()["link"] == f"http://testserver/w/{secret}/"


def test_links_of_workers_are_not_for_viewers(ground):
    viewer = client_of(User.objects.get(username="other"))
    assert told(viewer, ground.url("projects/{slug}/workers/{worker}"))["link"] is None


@pytest.mark.django_db(transaction=True)
def test_an_export_is_asked_for_written_and_taken(ground, client):
    asked = send(client, "post", ground.url("projects/{slug}/exports"), format="coco", include="accepted")
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    assert client.get(asked["Location"] + "/file").status_code == 404
    write_export(ExportFile.objects.get(pk=asked.json()["id"]))
    done = told(client, asked["Location"])
    file = client.get(asked["Location"] + "/file")
    dataset = json.loads(b"".join(file.streaming_content))
    assert len(dataset["annotations"]) == done["entries"] > 0
    again = client.get(asked["Location"] + "/file", headers={"If-None-Match": file["ETag"]})
    assert again.status_code == 304
    assert client.delete(asked["Location"]).status_code == 204
    assert client.get(asked["Location"]).status_code == 404


@pytest.mark.parametrize(("state", "then"), [("failed", "waiting"), ("stopped", "waiting"), ("done", "done")])
def test_an_export_that_came_to_nothing_is_written_anew(ground, client, state, then, monkeypatch):
    sent: list[int] = []
    monkeypatch.setattr(enqueue, "write_export", sent.append)
    ExportFile.objects.update(state=state, error="No room.", stop_requested=state == "stopped")
    url = ground.url("projects/{slug}/exports/{export}")
    for _ in range(2):
        again = send(client, "post", f"{url}/retry")
        assert (again.status_code, again.json()["state"]) == (200, then)
    assert sent == [ground.places["export"]] * (then == "waiting")
    assert told(client, url)["error"] == ("" if then == "waiting" else "No room.")


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_an_estimate_that_came_to_nothing_is_worked_out_anew(ground, client, state):
    url = ground.url("projects/{slug}/estimate")
    send(client, "post", url)
    round_ = ground.project.rounds.get()
    rests_on = basis_of(round_).digest
    Estimate.objects.update(state=state, error="No memory.", rests_on=rests_on)
    assert told(client, url)["state"] == state
    assert send(client, "post", url).json()["state"] == "waiting"
    assert Estimate.objects.get().error == ""


def test_report_and_dataset(ground, client):
    report = told(client, ground.url("projects/{slug}/report"))
    tree = told(client, ground.url("projects/{slug}/trees"))["results"][0]
    assert report["accepted_masks"] == tree["accepted"]
    dataset = {"figures": None}
    while dataset["figures"] is None:
        dataset = told(client, ground.url("projects/{slug}/dataset"))
    assert dataset["figures"]["accepted"]["masks"] == tree["accepted"]
    assert dataset["figures"]["categories"][0]["accepted"] == tree["accepted"]


def test_people_and_invitations_are_the_owners_affair(ground, client):
    person = ground.url("projects/{slug}/people/{person}")
    assert send(client, "patch", person, access="admin").json()["access"] == "admin"
    mine = ground.url("projects/{slug}/people/{person}", person=ground.owner.pk)
    refused = send(client, "patch", mine, access="viewer")
    assert (refused.status_code, refused.json()["type"]) == (409, "last-owner")
    assert client.delete(mine).status_code == 409
    assert client.delete(person).status_code == 204
    waiting = told(client, ground.url("projects/{slug}/invitations"))["results"]
    assert "/invitations/" in waiting[0]["link"]
    assert client.delete(ground.url("projects/{slug}/invitations/{invitation}")).status_code == 204
    assert told(client, ground.url("projects/{slug}/invitations"))["results"] == []


def test_what_workers_are_told(ground, client):
    texts = ground.url("projects/{slug}/instructions")
    assert send(client, "patch", texts, instructions="# Look").json()["instructions"] == "# Look"
    category = ground.url("projects/{slug}/categories/{category}")
    assert send(client, "patch", category, guide="With its frame.").json()["guide"] == "With its frame."
    test = ground.url("projects/{slug}/test")
    changed = send(client, "patch", test, questions=12).json()
    assert (changed["questions"], changed["version"]) == (12, 2)
    assert send(client, "patch", test, questions=1).status_code == 422
    trust = ground.url("projects/{slug}/trust")
    assert send(client, "patch", trust, least_gold=20).json()["least_gold"] == 20
    assert send(client, "patch", trust, stop_below=0.9).json()["type"] == "policy-refused"


def test_stages_are_watched_begun_and_stopped(ground, client):
    stages = ground.url("projects/{slug}/stages")
    assert [stage["stage"] for stage in told(client, stages)["results"]] == [
        "train", "detect", "cluster", "calibrate", "open",
    ]  # fmt: skip
    assert send(client, "post", f"{stages}/run", until="cluster").status_code == 202
    round_ = ground.project.rounds.get()
    assert round_.carry_on_to == "cluster"
    assert client.delete(f"{stages}/run").status_code == 200
    round_.refresh_from_db()
    assert round_.carry_on_to == ""
    assert client.get(f"{stages}?round=7").status_code == 404


def test_a_round_begins_when_the_last_is_over(ground, client):
    rounds = ground.url("projects/{slug}/rounds")
    refused = send(client, "post", rounds)
    assert (refused.status_code, refused.json()["type"]) == (409, "round-not-over")
    begun = send(client, "post", rounds, now=True, same_iou=0.6)
    assert (begun.status_code, begun.json()["number"], begun.json()["same_iou"]) == (201, 2, 0.6)
    assert told(client, begun["Location"])["known_objects"] > 0
    assert [one["number"] for one in told(client, rounds)["results"]] == [2, 1]


def test_a_listing_is_drafted_and_not_published_while_something_stands_in_its_way(ground, client):
    url = ground.url("projects/{slug}/listings")
    terms = {"title": "Look", "description": "Right or wrong?", "reward": "0.20", "places": 10}
    made = send(client, "post", url, provider="prolific", **terms)
    assert made.status_code == 201
    assert (made.json()["state"], made.json()["reward"]) == ("draft", "0.20")
    assert float(made.json()["cost"]) >= 2
    assert made.json()["obstacles"]
    refused = client.post(made["Location"] + "/publish")
    assert (refused.status_code, refused.json()["type"]) == (409, "listing-refused")
    assert client.post(made["Location"] + "/end").json()["state"] == "ended"
    assert [one["id"] for one in told(client, url)["results"]] == [
        made.json()["id"],
        ground.places["listing"],
    ]


def test_predictions_of_another_model_are_uploaded_and_withdrawn(ground, client):
    fresh = ProjectFactory()
    grant(project=fresh, user=ground.owner, access=Access.OWNER)
    url = ground.url("projects/{slug}/predictions", slug=fresh.slug)
    assert told(client, url) == {"offered": None}
    asked = client.post(url, {"results": SimpleUploadedFile("mine.json", b"[]"), "replace": "false"})
    assert asked.status_code == 202, asked.content
    assert asked.json()["offered"]["size"] == 2
    assert fresh.rounds.get().carry_on_to == "calibrate"
    assert client.delete(url).status_code == 204
    assert told(client, url) == {"offered": None}
    assert client.post(url, {"replace": "false"}).json()["errors"] == {"results": ["No file was submitted."]}


def test_k_pa_is_chosen_and_left_to_the_calibration(ground, client):
    url = ground.url("projects/{slug}/threshold")
    assert send(client, "put", url, k_pa=0.6).json()["k_pa"] == 0.6
    assert send(client, "put", url, k_pa=None).json()["k_pa"] is None
