"""What workers are told and agree to, their test, and by what they are judged."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body
from annotation_site.api.v1.views import ProjectView
from annotation_site.catalog.instructing import LONGEST, set_instructions
from annotation_site.catalog.models import Project
from annotation_site.people import policies
from annotation_site.people.models import TrustPolicy
from annotation_site.people.qualification import consent, policy
from annotation_site.people.qualification.models import QualificationPolicy


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
    right = serializers.IntegerField(help_text="Masks that it can ask about, whose answer is yes")
    wrong = serializers.IntegerField(help_text="and no.")
    is_asked = serializers.BooleanField(help_text="Without enough of each, newcomers are let in.")


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


class Instructions(ProjectView):
    @operation("read_instructions", "instructions", gives=InstructionsSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Read what workers are told."""
        return Response(self._told())

    @operation("change_instructions", "instructions", body=InstructionsBody, gives=InstructionsSerializer)
    def patch(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Change what workers are told; they read it from now on."""
        said = self.body(InstructionsBody, partial=True)
        with self.matching(self._told):
            if "instructions" in said:
                set_instructions(project=self.project, text=said["instructions"])
            if "consent" in said:
                consent.set_consent_text(project=self.project, text=said["consent"], at=timezone.now())
        return Response(self._told())

    def _told(self) -> dict[str, Any]:
        now = Project.objects.values_list("instructions", flat=True).get(pk=self.project.pk)
        told = {"instructions": now, "consent": consent.consent_text(self.project)}
        return dict(InstructionsSerializer(told).data)


class Test(ProjectView):
    @operation("read_test", "instructions", gives=TestSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Read the test of newcomers."""
        return Response(self._told())

    @operation("change_test", "instructions", body=TestBody, gives=TestSerializer)
    def patch(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Change the test."""
        said = self.body(TestBody, partial=True)
        with self.matching(self._told, QualificationPolicy.objects.filter(project=self.project)):
            policy.set_policy(project=self.project, **said)
        return Response(self._told())

    def _told(self) -> Any:
        return told_test(self.project)


class TestAgain(ProjectView):
    @operation("ask_everyone_again", "instructions", gives=TestSerializer)
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Have everyone take the test before their next page of work, whoever passed it before."""
        policy.ask_everyone_again(project=self.project)
        return Response(told_test(self.project))


def told_test(project: Project) -> Any:
    """The test, and whether it can be asked."""
    rules = policy.policy_of(project)
    ready = policy.readiness(project, rules)
    told = {name: getattr(rules, name) for name in ("questions", "pass_mark", "attempts", "version")}
    told |= {"right": ready.right, "wrong": ready.wrong, "is_asked": ready.is_asked}
    return TestSerializer(told).data


class Trust(ProjectView):
    @operation("read_trust", "workers", gives=TrustSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Read by what workers are judged."""
        return Response(self._told())

    @operation("change_trust", "workers", body=TrustBody, gives=TrustSerializer)
    def patch(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Change by what workers are judged, from each one's next review on."""
        said = self.body(TrustBody, partial=True)
        with self.matching(self._told, TrustPolicy.objects.filter(project=self.project)):
            policies.set_policy(project=self.project, **said)
        return Response(self._told())

    def _told(self) -> Any:
        return TrustSerializer(policies.policy_of(self.project.pk)).data
