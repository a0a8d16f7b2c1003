"""Who may see and change a project: grants, their order, and invitations that are good for one person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.urls import reverse

from annotation_site.access.granting import (
    VALID_FOR,
    InvitationOver,
    LastOwner,
    accept_invitation,
    access_to,
    grant,
    invite,
    open_invitations,
    projects_of,
    revoke,
    revoke_invitation,
)
from annotation_site.access.models import Access, Grant, Invitation
from annotation_site.catalog.models import Project
from tests.factories import NOON, ProjectFactory
from tests.site.campaigns import together

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return ProjectFactory()


def person(name: str, project: Project | None = None, access: Access | None = None) -> User:
    user = User.objects.create_user(name)
    if project and access:
        grant(project=project, user=user, access=access)
    return user


class TestWhatSomebodyMay:
    @pytest.mark.parametrize("had", Access)
    def test_an_access_includes_those_before_it(self, had: Access):
        order = [Access.VIEWER, Access.ADMIN, Access.OWNER]
        assert [had.includes(other) for other in order] == [order.index(had) >= i for i in range(3)]

    def test_strangers_and_visitors_may_nothing(self, project: Project):
        for nobody in (person("nobody"), AnonymousUser()):
            assert access_to(project, nobody) is None
            assert not projects_of(nobody).exists()

    def test_a_grant_is_for_one_project(self, project: Project):
        ada, other = person("ada", project, Access.ADMIN), ProjectFactory()
        assert (access_to(project, ada), access_to(other, ada)) == (Access.ADMIN, None)
        assert projects_of(ada).get() == project

    def test_superusers_may_everything_and_need_no_grant(self, project: Project):
        root = User.objects.create_superuser("root")
        assert access_to(project, root) == Access.OWNER
        assert projects_of(root).get() == project

    def test_people_who_were_deactivated_may_nothing(self, project: Project):
        ada = person("ada", project, Access.OWNER)
        ada.is_active = False
        assert access_to(project, ada) is None


class TestTheLastOwner:
    def test_stays(self, project: Project):
        ada = person("ada", project, Access.OWNER)
        for leave in (
            lambda: revoke(project=project, user=ada),
            lambda: grant(project=project, user=ada, access=Access.ADMIN),
        ):
            with pytest.raises(LastOwner, match="ada"):
                leave()
        grant(project=project, user=ada, access=Access.OWNER)
        assert access_to(project, ada) == Access.OWNER

    def test_may_go_once_there_is_another(self, project: Project):
        ada = person("ada", project, Access.OWNER)
        person("bea", project, Access.OWNER)
        revoke(project=project, user=ada)
        assert access_to(project, ada) is None

    @pytest.mark.django_db(transaction=True)
    def test_is_one_of_two_who_leave_at_the_same_time(self, project: Project):
        owners = [person(name, project, Access.OWNER) for name in ("ada", "bea")]
        left = together([lambda user=user: revoke(project=project, user=user) for user in owners])
        assert [isinstance(result, LastOwner) for result in left].count(True) == 1
        assert Grant.objects.filter(project=project, access=Access.OWNER).count() == 1


class TestInvitations:
    def test_one_gives_its_access_to_the_first_who_comes(self, project: Project):
        sent = invite(project=project, email="ada@example.org", access=Access.ADMIN, at=NOON)
        ada, bea = person("ada"), person("bea")
        accept_invitation(secret=sent.secret, user=ada, at=NOON)
        with pytest.raises(InvitationOver):
            accept_invitation(secret=sent.secret, user=bea, at=NOON)
        assert (access_to(project, ada), access_to(project, bea)) == (Access.ADMIN, None)
        assert not open_invitations(project, at=NOON).exists()

    @pytest.mark.parametrize("secret", ["", "unknown", "a\x00b"])
    def test_a_link_that_is_none_is_refused(self, secret: str):
        with pytest.raises(InvitationOver):
            accept_invitation(secret=secret, user=person("ada"), at=NOON)

    def test_one_runs_out_or_is_revoked(self, project: Project):
        late, revoked = (
            invite(project=project, email="ada@example.org", access=Access.VIEWER, at=NOON) for _ in range(2)
        )
        revoke_invitation(invitation=revoked, at=NOON)
        for sent, at in ((late, NOON + VALID_FOR), (revoked, NOON + timedelta(minutes=1))):
            with pytest.raises(InvitationOver):
                accept_invitation(secret=sent.secret, user=person(sent.secret), at=at)

    def test_one_takes_nothing_from_who_has_more(self, project: Project):
        ada = person("ada", project, Access.OWNER)
        sent = invite(project=project, email="ada@example.org", access=Access.VIEWER, at=NOON)
        accept_invitation(secret=sent.secret, user=ada, at=NOON)
        assert access_to(project, ada) == Access.OWNER
        assert Invitation.objects.get().accepted_by == ada


class TestPages:
    @pytest.fixture
    def viewer(self, client: Client, project: Project) -> Client:
        client.force_login(person("vi", project, Access.VIEWER))
        return client

    def test_viewers_look_and_change_nothing(self, viewer: Client, project: Project):
        Project.objects.filter(pk=project.pk).update(state=Project.State.OPEN)
        page = viewer.get(reverse("dashboards:project", args=[project.slug]))
        assert page.status_code == 200
        assert b'value="paused"' not in page.content
        refused = viewer.post(reverse("dashboards:state", args=[project.slug]), {"state": "paused"})
        assert refused.status_code == 403
        assert Project.objects.get().state == Project.State.OPEN

    def test_admins_pause(self, client: Client, project: Project):
        Project.objects.filter(pk=project.pk).update(state=Project.State.OPEN)
        client.force_login(person("ada", project, Access.ADMIN))
        assert b'value="paused"' in client.get(reverse("dashboards:project", args=[project.slug])).content
        client.post(reverse("dashboards:state", args=[project.slug]), {"state": "paused"})
        assert Project.objects.get().state == Project.State.PAUSED

    def test_the_first_page_lists_ones_own_projects(self, viewer: Client, project: Project):
        other = ProjectFactory(name="Somebody else's")
        page = viewer.get("/").content.decode()
        assert project.name in page
        assert other.name not in page

    def test_a_project_that_is_not_there_looks_like_one_that_is_not_theirs(self, viewer: Client):
        other = ProjectFactory()
        answers = [viewer.get(f"/projects/{slug}/") for slug in (other.slug, "no-such-project")]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
