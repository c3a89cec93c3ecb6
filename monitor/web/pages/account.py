"""Views of accounts: log in, log out, change the password, create the first administrator."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import login as log_in
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, UserCreationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from monitor.access.rate_limits.middleware import throttle_of
from monitor.access.setup_link import has_administrator
from monitor.access.visitor import address_of
from monitor.http.csrf import answers_expired_form
from monitor.runtime.process import runtime


def _led_on(request: HttpRequest) -> HttpResponse | None:
    """A login form that was open while the browser logged in elsewhere: go to where it would have led."""
    if not request.user.is_authenticated:
        return None
    view = LoginView()
    view.setup(request)
    return HttpResponseRedirect(view.get_success_url())  # `redirect` would look for a view of that name


@answers_expired_form(_led_on)
class Login(LoginView):
    """The login page of the dashboard and the admin. Returns to the page that required the login."""

    template_name = "account/login.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check the password, unless there were too many wrong ones."""
        if wait := throttle_of(request).wait_for_password(request.POST.get("username", ""), address_of(request)):
            return _has_to_wait(self, AuthenticationForm(request), wait)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        throttle_of(self.request).password_was_right(self.request.POST.get("username", ""), address_of(self.request))
        return super().form_valid(form)


class Logout(LogoutView):
    """By POST, so that no other site can do it. Ends the session and its sockets."""


class PasswordChange(PasswordChangeView):
    """Ends the person's other sessions. Wrong old passwords are throttled as in Login."""

    template_name = "account/password.html"
    success_url = reverse_lazy("password")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check the old password, unless there were too many wrong ones."""
        if wait := throttle_of(request).wait_for_password(request.user.get_username(), address_of(request)):
            form = PasswordChangeForm(request.user)  # type: ignore[arg-type]  # the view requires a login
            return _has_to_wait(self, form, wait)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: Any) -> HttpResponse:
        """A rejected new password does not make the old one wrong."""
        if "old_password" not in form.errors:
            self._was_right()
        return super().form_invalid(form)

    def form_valid(self, form: Any) -> HttpResponse:
        """Return to the form with a message."""
        self._was_right()
        messages.success(self.request, "Your password was changed. Your other sessions were logged out.")
        return super().form_valid(form)

    def _was_right(self) -> None:
        throttle_of(self.request).password_was_right(self.request.user.get_username(), address_of(self.request))


def _has_to_wait(view: LoginView | PasswordChange, form: Any, seconds: int) -> HttpResponse:
    context = view.get_context_data(form=form, wait_minutes=-(-seconds // 60))
    return view.render_to_response(context, status=429, headers={"Retry-After": str(seconds)})


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """Create the first administrator and log them in. 404 for any other link, and once an administrator exists."""
    link = runtime().setup_link
    if link.fits(token) and has_administrator():
        link.close()
    if not link.fits(token):
        return render(request, "account/no_setup.html", status=404)
    form: UserCreationForm[User] = UserCreationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user: User = form.save(commit=False)
        user.is_staff = user.is_superuser = True
        with link.used(token) as fits:
            if fits:
                user.save()
        if fits:
            log_in(request, user)
            return redirect("dashboard")
    return render(request, "account/setup.html", {"form": form})
