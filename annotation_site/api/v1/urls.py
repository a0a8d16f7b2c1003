"""Routes of the API of those who run projects."""

from __future__ import annotations

from django.urls import path, register_converter

from annotation_site.api.v1 import (
    budgets,
    exports,
    imports,
    instructions,
    listings,
    masks,
    nowhere,
    people,
    predictions,
    projects,
    stages,
    trees,
    workers,
)

PROJECT = "projects/<slug:slug>"
TREE = f"{PROJECT}/trees/<int:tree>"
WORKER = f"{PROJECT}/workers/<int:worker>"
IMPORT = f"{PROJECT}/imports/<int:run>"
EXPORT = f"{PROJECT}/exports/<int:export>"

register_converter(nowhere.Anything, "anything")
urlpatterns = [
    path("me", projects.Me.as_view(), name="me"),
    path("projects", projects.Projects.as_view(), name="projects"),
    path(PROJECT, projects.OneProject.as_view(), name="project"),
    path(f"{PROJECT}/state", projects.State.as_view(), name="state"),
    path(f"{PROJECT}/status", projects.Status.as_view(), name="status"),
    path(f"{PROJECT}/curve", projects.Curve.as_view(), name="curve"),
    path(f"{PROJECT}/categories", instructions.Categories.as_view(), name="categories"),
    path(f"{PROJECT}/categories/<int:category>", instructions.OneCategory.as_view(), name="category"),
    path(f"{PROJECT}/instructions", instructions.Instructions.as_view(), name="instructions"),
    path(f"{PROJECT}/test", instructions.Test.as_view(), name="test"),
    path(f"{PROJECT}/images", masks.Images.as_view(), name="images"),
    path(f"{PROJECT}/images/<int:image>", masks.OneImage.as_view(), name="image"),
    path(f"{PROJECT}/images/<int:image>/photo", masks.Photo.as_view(), name="photo"),
    path(f"{PROJECT}/imports", imports.Imports.as_view(), name="imports"),
    path(f"{PROJECT}/imports/uploads", imports.Uploads.as_view(), name="uploads"),
    path(IMPORT, imports.OneImport.as_view(), name="import"),
    path(f"{IMPORT}/files/<int:number>", imports.Piece.as_view(), name="piece"),
    path(f"{IMPORT}/finish", imports.FinishUpload.as_view(), name="finish-upload"),
    path(f"{IMPORT}/stop", imports.StopImport.as_view(), name="stop-import"),
    path(f"{IMPORT}/go-on", imports.GoOn.as_view(), name="go-on"),
    path(f"{IMPORT}/problems", imports.Problems.as_view(), name="problems"),
    path(f"{PROJECT}/predictions", predictions.Predictions.as_view(), name="predictions"),
    path(f"{PROJECT}/threshold", predictions.Threshold.as_view(), name="threshold"),
    path(f"{PROJECT}/stages", stages.Stages.as_view(), name="stages"),
    path(f"{PROJECT}/stages/run", stages.StageRuns.as_view(), name="run"),
    path(f"{PROJECT}/rounds", stages.Rounds.as_view(), name="rounds"),
    path(f"{PROJECT}/rounds/<int:number>", stages.OneRound.as_view(), name="round"),
    path(f"{PROJECT}/trees", trees.Trees.as_view(), name="trees"),
    path(f"{TREE}/nodes", trees.Nodes.as_view(), name="nodes"),
    path(f"{TREE}/nodes/<int:node>", trees.OneNode.as_view(), name="node"),
    path(f"{TREE}/nodes/<int:node>/verdicts", trees.NodeVerdicts.as_view(), name="overrule"),
    path(f"{PROJECT}/verdicts", trees.Verdicts.as_view(), name="verdicts"),
    path(f"{PROJECT}/verdicts/<int:verdict>", trees.OneVerdict.as_view(), name="verdict"),
    path(f"{PROJECT}/decisions", trees.Decisions.as_view(), name="decisions"),
    path(f"{PROJECT}/decisions/<int:decision>", trees.OneDecision.as_view(), name="decision"),
    path(f"{PROJECT}/masks", masks.Masks.as_view(), name="masks"),
    path(f"{PROJECT}/masks/<int:mask>", masks.OneMask.as_view(), name="mask"),
    path(f"{PROJECT}/masks/<int:mask>/crop", masks.MaskCrop.as_view(), name="crop"),
    path(f"{PROJECT}/budget", budgets.OneBudget.as_view(), name="budget"),
    path(f"{PROJECT}/ledger", budgets.Ledger.as_view(), name="ledger"),
    path(f"{PROJECT}/estimate", budgets.OneEstimate.as_view(), name="estimate"),
    path(f"{PROJECT}/trust", instructions.Trust.as_view(), name="trust"),
    path(f"{PROJECT}/workers", workers.Workers.as_view(), name="workers"),
    path(WORKER, workers.OneWorker.as_view(), name="worker"),
    path(f"{WORKER}/stop", workers.Stop.as_view(), name="stop-worker"),
    path(f"{WORKER}/reinstate", workers.Reinstate.as_view(), name="reinstate-worker"),
    path(f"{WORKER}/note", workers.Note.as_view(), name="note-worker"),
    path(f"{PROJECT}/listings", listings.Listings.as_view(), name="listings"),
    path(f"{PROJECT}/listings/<int:listing>", listings.OneListing.as_view(), name="listing"),
    path(f"{PROJECT}/listings/<int:listing>/publish", listings.Publish.as_view(), name="publish"),
    path(f"{PROJECT}/listings/<int:listing>/end", listings.End.as_view(), name="end"),
    path(f"{PROJECT}/exports", exports.Exports.as_view(), name="exports"),
    path(EXPORT, exports.OneExport.as_view(), name="export"),
    path(f"{EXPORT}/stop", exports.StopExport.as_view(), name="stop-export"),
    path(f"{EXPORT}/file", exports.ExportDownload.as_view(), name="export-file"),
    path(f"{PROJECT}/report", exports.Report.as_view(), name="report"),
    path(f"{PROJECT}/dataset", exports.Dataset.as_view(), name="dataset"),
    path(f"{PROJECT}/people", people.People.as_view(), name="people"),
    path(f"{PROJECT}/people/<int:person>", people.Person.as_view(), name="person"),
    path(f"{PROJECT}/invitations", people.Invitations.as_view(), name="invitations"),
    path(f"{PROJECT}/invitations/<int:invitation>", people.OneInvitation.as_view(), name="invitation"),
    path("<anything:rest>", nowhere.Nowhere.as_view(), name="nowhere"),
]
