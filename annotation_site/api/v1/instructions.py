"""What workers are told: the project's instructions and consent, each category's guide, the test."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import NOT_BLANK, Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.catalog.changing import add_categories, name_categories, remove_category
from annotation_site.catalog.instructing import LONGEST, set_guide, set_instructions
from annotation_site.catalog.models import Category, Project
from annotation_site.people import policies
from annotation_site.people.models import TrustPolicy
from annotation_site.people.policies import policy_of
from annotation_site.people.qualification import consent, policy


class CategorySerializer(serializers.ModelSerializer[Category]):
    """A kind of object, as in COCO."""

    class Meta:
        model = Category
        fields = ("id", "coco_id", "name", "supercategory", "guide")


class CategoriesSerializer(serializers.Serializer[Any]):
    """Categories that were added."""

    results = CategorySerializer(many=True)


class CategoriesBody(Body):
    """Names of categories; they are numbered after those that there are."""

    names = serializers.ListField(
        child=serializers.RegexField(NOT_BLANK, max_length=120), min_length=1, max_length=2000
    )


class GuideBody(Body):
    """What a right outline is, in Markdown."""

    guide = serializers.CharField(max_length=LONGEST, allow_blank=True)


class InstructionsSerializer(serializers.Serializer[Any]):
    """Texts in Markdown."""

    instructions = serializers.CharField(help_text="For all workers, before they start.")
    consent = serializers.CharField(help_text="What they agree to; changed, it is asked again.")


class InstructionsBody(Body):
    """The texts to be changed."""

    instructions = serializers.CharField(max_length=LONGEST, allow_blank=True, required=False)
    consent = serializers.CharField(max_length=LONGEST, allow_blank=True, required=False)


class TestSerializer(serializers.Serializer[Any]):
    """The test of newcomers."""

    questions = serializers.IntegerField()
    pass_mark = serializers.FloatField()
    attempts = serializers.IntegerField()
    version = serializers.IntegerField(help_text="Another one is asked anew.")


class TestBody(Body):
    """The test as it should be; another number of questions or pass mark asks everyone again."""

    questions = serializers.IntegerField(min_value=0, max_value=50, required=False)
    pass_mark = serializers.FloatField(min_value=0.5, max_value=1, required=False)
    attempts = serializers.IntegerField(min_value=1, max_value=20, required=False)


class TrustSerializer(serializers.ModelSerializer[TrustPolicy]):
    """By what workers lose their standing."""

    class Meta:
        model = TrustPolicy
        exclude = ("id", "project")


class TrustBody(Body, serializers.ModelSerializer[TrustPolicy]):
    """The thresholds to be changed."""

    class Meta:
        model = TrustPolicy
        exclude = ("id", "project")


class Categories(ProjectView):
    @operation("list_categories", "instructions", query=PageQuery, gives=paged(CategorySerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the categories with their guides."""
        own = Category.objects.filter(project=self.project)
        asked = self.query(PageQuery)
        return page(request, own, asked, lambda one: CategorySerializer(one).data, ascending=True)

    @operation(
        "add_categories",
        "instructions",
        body=CategoriesBody,
        gives=CategoriesSerializer,
        status=HTTPStatus.CREATED,
    )
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Add categories while no model was trained; those that there are are passed over."""
        said = self.body(CategoriesBody)
        added = add_categories(project=self.project, categories=name_categories(self.project, said["names"]))
        told = CategoriesSerializer({"results": added}).data
        return Response(told, status=HTTPStatus.CREATED)


class OneCategory(ProjectView):
    @operation("read_category", "instructions", gives=CategorySerializer)
    def get(self, request: Request, slug: str, category: int) -> Response:  # noqa: ARG002
        """Read a category."""
        return Response(CategorySerializer(self._found(category)).data)

    @operation("change_category", "instructions", body=GuideBody, gives=CategorySerializer)
    def patch(self, request: Request, slug: str, category: int) -> Response:  # noqa: ARG002
        """Tell workers what a right outline of the category is."""
        found = self._found(category)
        said = self.body(GuideBody, partial=True)
        self.check_match(CategorySerializer(found).data)
        if "guide" in said:
            set_guide(category=found, text=said["guide"])
        return Response(CategorySerializer(found).data)

    @operation("remove_category", "instructions")
    def delete(self, request: Request, slug: str, category: int) -> Response:  # noqa: ARG002
        """Take away a category that nothing is annotated as, while no model was trained for it."""
        remove_category(self._found(category))
        return Response(status=HTTPStatus.NO_CONTENT)

    def _found(self, pk: int) -> Category:
        return get_object_or_404(Category, project=self.project, pk=pk)


class Instructions(ProjectView):
    @operation("read_instructions", "instructions", gives=InstructionsSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Read what workers are told."""
        return Response(_texts(self.project))

    @operation("change_instructions", "instructions", body=InstructionsBody, gives=InstructionsSerializer)
    def patch(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Change what workers are told; they read it from now on."""
        said = self.body(InstructionsBody, partial=True)
        self.check_match(_texts(self.project))
        if "instructions" in said:
            set_instructions(project=self.project, text=said["instructions"])
        if "consent" in said:
            consent.set_consent_text(project=self.project, text=said["consent"], at=timezone.now())
        return Response(_texts(self.project))


class Test(ProjectView):
    @operation("read_test", "instructions", gives=TestSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Read the test of newcomers."""
        return Response(TestSerializer(policy.policy_of(self.project)).data)

    @operation("change_test", "instructions", body=TestBody, gives=TestSerializer)
    def patch(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Change the test."""
        now = TestSerializer(policy.policy_of(self.project)).data
        self.check_match(now)
        given = {name: now[name] for name in ("questions", "pass_mark", "attempts")}
        changed = policy.set_policy(project=self.project, **{**given, **self.body(TestBody, partial=True)})
        return Response(TestSerializer(changed).data)


class Trust(ProjectView):
    @operation("read_trust", "workers", gives=TrustSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Read by what workers are judged."""
        return Response(TrustSerializer(policy_of(self.project.pk)).data)

    @operation("change_trust", "workers", body=TrustBody, gives=TrustSerializer)
    def patch(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Change by what workers are judged, from each one's next review on."""
        said = self.body(TrustBody, partial=True)
        self.check_match(TrustSerializer(policy_of(self.project.pk)).data)
        return Response(TrustSerializer(policies.set_policy(project=self.project, **said)).data)


def _texts(project: Project) -> dict[str, Any]:
    told = {"instructions": project.instructions, "consent": consent.consent_text(project)}
    return dict(InstructionsSerializer(told).data)
