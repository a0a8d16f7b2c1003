"""Signing in and out, passwords and identity providers: the views of allauth that we use, by its names."""

from __future__ import annotations

from allauth.account import views as account
from allauth.socialaccount import views as social
from allauth.socialaccount.providers.openid_connect import views as oidc
from django.urls import path, re_path

urlpatterns = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("account/new/", account.signup, name="account_signup"),
    path("account/inactive/", account.account_inactive, name="account_inactive"),
    path("account/password/", account.password_change, name="account_change_password"),
    path("account/password/set/", account.password_set, name="account_set_password"),
    path("account/reset/", account.password_reset, name="account_reset_password"),
    path("account/reset/sent/", account.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^account/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "account/reset/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("account/provider/new/", social.signup, name="socialaccount_signup"),
    path("account/provider/cancelled/", social.login_cancelled, name="socialaccount_login_cancelled"),
    path("account/provider/error/", social.login_error, name="socialaccount_login_error"),
    path("account/providers/", social.connections, name="socialaccount_connections"),
    path("account/<str:provider_id>/login/", oidc.login, name="openid_connect_login"),
    path("account/<str:provider_id>/login/callback/", oidc.callback, name="openid_connect_callback"),
]
