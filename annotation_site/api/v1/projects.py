"""Projects: which there are, their parameters, whether people may answer, how far they are."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db.models import Q
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site.access.models import Access
from annotation_site.api import tokens
from annotation_site.api.models import Scope
from annotation_site.api.problems import Problem
from annotation_site.api.v1.categories import MOST_CATEGORIES, CategoryBody, given_categories
from annotation_site.api.v1.closing import DeletionQuery, DeletionSerializer, delete
from annotation_site.api.v1.detector_options import DetectorOptionsBody
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body, PageQuery, page, paged
from annotation_site.api.v1.views import ApiView, ProjectView, token_of
from annotation_site.catalog.changing import change_parameters
from annotation_site.catalog.detector_options import merged_options
from annotation_site.catalog.models import Project
from annotation_site.catalog.projects import CHOICES, PARAMETERS
from annotation_site.dashboards.overview import figures_of
from annotation_site.dashboards.sharing import shared
from annotation_site.preparing.creating import create_owned_project
from annotation_site.verification import opening
from annotation_site.verification.status import status
from pipeline.metrics import SECONDS_PER_DRAWING
from pipeline.strategies import NEEDS_TRUTH

STATES = {"open": opening.resume_campaign, "paused": opening.pause_campaign}


class ParametersBody(Body, serializers.ModelSerializer[Project]):
    """What may be chosen of a project."""

    strategy = serializers.ChoiceField(
        choices=sorted(CHOICES["strategy"]),
        required=False,
        error_messages={"invalid_choice": f'"{{input}}" is not a valid choice. {NEEDS_TRUTH}'},
    )
    rule = serializers.ChoiceField(choices=sorted(CHOICES["rule"]), required=False)
    aggregation = serializers.ChoiceField(choices=sorted(CHOICES["aggregation"]), required=False)
    linkage = serializers.ChoiceField(choices=sorted(CHOICES["linkage"]), required=False)
    feature = serializers.ChoiceField(choices=sorted(CHOICES["feature"]), required=False)
    detector = serializers.ChoiceField(choices=sorted(CHOICES["detector"]), required=False)
    detector_options = DetectorOptionsBody(required=False)
    least_gain = serializers.FloatField(min_value=0, max_value=1000, required=False)
    n_s = serializers.IntegerField(min_value=1, max_value=10_000, required=False)
    hit_size = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    lease_minutes = serializers.IntegerField(min_value=1, max_value=10_000, required=False)
    judgments_per_question = serializers.IntegerField(min_value=1, max_value=99, required=False)

    class Meta:
        model = Project
        fields: ClassVar[tuple[str, ...]] = PARAMETERS


class NewProjectBody(ParametersBody):
    """A project to be made; what is left out is the paper's."""

    name = serializers.RegexField("[A-Za-z0-9]", max_length=80, help_text="Its slug is made of it.")
    categories = serializers.ListField(child=CategoryBody(), min_length=1, max_length=MOST_CATEGORIES)

    class Meta(ParametersBody.Meta):
        fields: ClassVar[tuple[str, ...]] = ("name", "categories", *PARAMETERS)

    def validate_detector_options(self, options: dict[str, Any]) -> dict[str, Any]:
        return merged_options({}, options)


class ProjectSerializer(serializers.ModelSerializer[Project]):
    """A project and its parameters."""

    detector_options = serializers.SerializerMethodField()

    class Meta:
        model = Project
        fields: ClassVar = ("slug", "state", "created_at", "name", *PARAMETERS)

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_detector_options(self, project: Project) -> Any:
        return project.detector_options


class StateBody(Body):
    """Whether workers are let in."""

    state = serializers.ChoiceField(choices=list(STATES))


class StageTold(serializers.Serializer[Any]):
    """How far a stage of the current round is."""

    stage = serializers.CharField()
    state = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    message = serializers.CharField()


class CampaignTold(serializers.Serializer[Any]):
    """Clusters by what became of them, masks, and what people did."""

    open_clusters = serializers.IntegerField()
    accepted_clusters = serializers.IntegerField()
    rejected_clusters = serializers.IntegerField()
    split_clusters = serializers.IntegerField()
    accepted_masks = serializers.IntegerField()
    rejected_masks = serializers.IntegerField()
    questions = serializers.IntegerField()
    gold_questions = serializers.IntegerField()
    questions_per_accepted_mask = serializers.FloatField(allow_null=True)
    hours = serializers.FloatField()


class RoundTold(serializers.Serializer[Any]):
    """What a round began with, and what of its masks counts today."""

    round = serializers.IntegerField()
    known_objects = serializers.IntegerField()
    accepted_masks = serializers.IntegerField()


class StatusSerializer(serializers.Serializer[Any]):
    """How far a project is, as `manage.py status` tells it."""

    project = serializers.CharField()
    state = serializers.CharField()
    round = serializers.IntegerField()
    images = serializers.DictField(child=serializers.IntegerField(), help_text="By role.")
    stages = StageTold(many=True)
    k_pa = serializers.FloatField(allow_null=True)
    masks = serializers.IntegerField(help_text="Predicted on pool images.")
    campaign = CampaignTold()
    rounds = RoundTold(many=True)


class CurveSerializer(serializers.Serializer[Any]):
    """Accepted masks against questions and time: running totals, one value a point."""

    at = serializers.ListField(child=serializers.DateTimeField())
    questions = serializers.ListField(child=serializers.IntegerField())
    accepted = serializers.ListField(child=serializers.IntegerField())
    hours = serializers.ListField(child=serializers.FloatField(), help_text="Of answering.")
    drawn = serializers.ListField(
        child=serializers.FloatField(), help_text="Masks that drawing would have given in that time."
    )


class TokenTold(serializers.Serializer[Any]):
    """The token that the request came with."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=Scope.choices)
    is_restricted = serializers.BooleanField(help_text="Whether it is for some projects only.")
    expires_at = serializers.DateTimeField(allow_null=True)


class MeSerializer(serializers.Serializer[Any]):
    """Who asks."""

    username = serializers.CharField()
    email = serializers.CharField()
    is_superuser = serializers.BooleanField()
    token = TokenTold(allow_null=True)


class Me(ApiView):
    @operation("read_me", "account", gives=MeSerializer)
    def get(self, request: Request) -> Response:
        """Tell who asks, by which token."""
        user = request.user
        assert isinstance(user, User)
        told = {"username": user.username, "email": user.email, "is_superuser": user.is_superuser}
        return Response(MeSerializer({**told, "token": token_of(request)}).data)


class ProjectsQuery(PageQuery):
    """Which projects."""

    archived = serializers.BooleanField(default=False, help_text="Those that are archived, instead.")


class Projects(ApiView):
    @operation("list_projects", "projects", query=ProjectsQuery, gives=paged(ProjectSerializer))
    def get(self, request: Request) -> Response:
        """List the projects that you may see, the newest first."""
        asked, found = self.query(ProjectsQuery), tokens.projects_for(request.user, token_of(request))
        archived = Q(state=Project.State.ARCHIVED)
        found = found.filter(archived if asked["archived"] else ~archived)
        return page(request, found, asked, lambda one: ProjectSerializer(one).data)

    @operation(
        "create_project", "projects", body=NewProjectBody, gives=ProjectSerializer, status=HTTPStatus.CREATED
    )
    def post(self, request: Request) -> Response:
        """Make a project, whose owner you are. Safe to repeat: the same one is given again."""
        said = self.body(NewProjectBody)
        token = token_of(request)
        if token is not None and token.is_restricted:
            detail = "A token for some projects makes no new one."
            raise Problem(HTTPStatus.FORBIDDEN, "scope-insufficient", detail)
        assert isinstance(request.user, User)
        made = create_owned_project(
            name=said.pop("name"),
            categories=given_categories(said.pop("categories")),
            owner=request.user,
            parameters=said,
        )
        address = reverse("api:project", args=[made.slug], request=request)
        told = ProjectSerializer(made).data
        return Response(told, status=HTTPStatus.CREATED, headers={"Location": address})


class OneProject(ProjectView):
    needs: ClassVar = {"DELETE": Access.OWNER}
    while_archived = ("DELETE",)

    @operation("read_project", "projects", gives=ProjectSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Read a project and its parameters."""
        return Response(ProjectSerializer(self.project).data)

    @operation("change_project", "projects", body=ParametersBody, gives=ProjectSerializer)
    def patch(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Change parameters. An open round keeps its rules; the change is for later ones."""
        said = self.body(ParametersBody, partial=True)
        options = said.pop("detector_options", None)
        with self.matching(self._told):
            changed = change_parameters(project=self.project, values=said, options=options)
        return Response(ProjectSerializer(changed).data)

    @operation(
        "delete_project",
        "projects",
        query=DeletionQuery,
        gives=DeletionSerializer,
        status=HTTPStatus.ACCEPTED,
    )
    def delete(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Delete an archived project; a worker does it. There is no way back. Owners alone may."""
        return delete(self.project, self.query(DeletionQuery), request)

    def _told(self) -> Any:
        return ProjectSerializer(Project.objects.get(pk=self.project.pk)).data


class State(ProjectView):
    @operation("set_state", "projects", body=StateBody, gives=ProjectSerializer)
    def put(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Let workers in, or keep them out; answers under way still count."""
        STATES[self.body(StateBody)["state"]](project=self.project)
        return Response(ProjectSerializer(self.project).data)


class Status(ProjectView):
    @operation("read_status", "projects", gives=StatusSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Tell how far the project is; some seconds old at most."""
        found: Mapping[str, Any] = shared(self.project, "status", status)
        return Response(StatusSerializer(found).data)


class Curve(ProjectView):
    @operation("read_curve", "projects", gives=CurveSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Accepted masks against questions and time, with what drawing would have given."""
        points = figures_of(self.project).course.curve
        return Response(
            CurveSerializer(
                {
                    "at": points.at,
                    "questions": points.questions,
                    "accepted": points.accepted,
                    "hours": [seconds / 3600 for seconds in points.seconds],
                    "drawn": [round(seconds / SECONDS_PER_DRAWING, 2) for seconds in points.seconds],
                }
            ).data
        )
