"""Everything that the pages do, programs do over the API: a page that does something names its operations."""

from __future__ import annotations

from drf_spectacular.generators import SchemaGenerator

from tests.site.test_access import TABLE

P = "projects/<slug:slug>/"
OURS = (P, "system/", "deletions/", "account/tokens/")
"""How pages begin of those who run projects, or the site."""
W = f"{P}workers/<int:pk>/"
DOES = {
    "projects/new/": "create_project",
    f"{P}setup/categories/": "add_categories remove_category",
    f"{P}setup/parameters/": "change_project",
    f"{P}setup/budget/": "change_budget",
    f"{P}setup/estimate/": "ask_for_estimate",
    f"{P}setup/stages/": "run_stages stop_stages",
    f"{P}setup/imports/": "import_images begin_upload",
    f"{P}setup/imports/<int:pk>/": "finish_upload stop_import go_on_with_import discard_import",
    f"{P}setup/imports/<int:pk>/files/<int:number>/": "send_piece",
    f"{P}rounds/begin/": "start_round run_stages",
    f"{P}rounds/long-tail/": "open_long_tail",
    f"{P}rounds/usefulness/": "compare_usefulness",
    f"{P}rounds/usefulness/<int:pk>/": "stop_comparison go_on_with_comparison delete_comparison",
    f"{P}state/": "set_state",
    f"{P}archive/change/": "archive_project take_out_project",
    f"{P}delete/": "delete_project",
    "system/stages/<int:pk>/retry/": "retry_stage",
    "account/tokens/": "make_token",
    "account/tokens/<int:pk>/revoke/": "revoke_token",
    "system/jobs/<slug:kind>/<int:pk>/retry/": "retry_job",
    "deletions/<int:pk>/change/": "stop_deletion go_on_with_deletion",
    f"{P}instructions/": "change_instructions change_category",
    f"{P}instructions/test/": "change_test ask_everyone_again",
    f"{P}instructions/examples/<uuid:key>/": "change_example",
    f"{P}people/<int:pk>/": "change_access remove_person",
    f"{P}people/invite/": "invite_person",
    f"{P}people/invitations/<int:pk>/revoke/": "revoke_invitation",
    f"{P}exports/new/": "ask_for_export",
    f"{P}exports/<int:pk>/end/": "stop_export retry_export delete_export",
    f"{P}launch/<slug:provider>/<slug:environment>/draft/": "draft_listing",
    f"{P}launch/<int:pk>/": "publish_listing end_listing",
    f"{P}launch/actions/<int:pk>/": "retry_action",
    f"{P}launch/submissions/<int:pk>/": (
        "approve_submission reject_submission ask_to_return give_submission_bonus"
    ),
    f"{P}team/invite/": "invite_worker",
    f"{P}team/<int:pk>/": "rotate_link vouch_for_worker stop_worker reinstate_worker",
    f"{P}team/codes/": "make_code",
    f"{P}team/codes/<int:pk>/revoke/": "revoke_code",
    f"{P}workers/trust/change/": "change_trust",
    f"{P}workers/gold/<int:pk>/": "retire_gold take_back_gold",
    f"{P}masks/<int:pk>/gold/": "mark_gold",
    f"{W}stop/": "foresee_stop stop_worker",
    f"{W}reinstate/": "reinstate_worker",
    f"{W}note/": "note_worker",
    f"{W}bonus/": "give_bonus",
    f"{W}paid/": "note_payment",
    f"{W}message/": "write_to_worker",
    f"{P}trees/<int:tree>/<int:node>/rule/": "overrule",
    f"{P}verdicts/<int:pk>/undo/": "undo_verdict",
    f"{P}model/detector/": "change_project",
    f"{P}model/predictions/": "upload_predictions",
    f"{P}model/predictions/change/": "stop_stages run_stages withdraw_predictions",
    f"{P}model/threshold/": "choose_threshold",
    f"{P}webhooks/new/": "add_webhook",
    f"{P}webhooks/<int:pk>/change/": "change_webhook delete_webhook test_webhook rotate_webhook_secret "
    "disable_webhook enable_webhook",
    f"{P}webhooks/deliveries/<int:pk>/again/": "redeliver",
}
"""Page -> the operations that do the same."""
ON_PAGES_ONLY = {f"{P}instructions/preview/": "It draws a text as workers see it."}


def test_what_pages_do_the_api_does() -> None:
    posts = {route for route, row in TABLE.items() if row.method == "post" and route.startswith(OURS)}
    assert posts - set(DOES) == set(ON_PAGES_ONLY), "Say in DOES which operations do what this page does."
    described = SchemaGenerator().get_schema(public=True)["paths"].values()
    operations = {one["operationId"] for methods in described for one in methods.values()}
    assert {name for names in DOES.values() for name in names.split()} <= operations
