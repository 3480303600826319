from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.errors import Conflict, NotFound, PreconditionFailed
from services.domain.routing_plan import (
    Change,
    DomainRecord,
    ProjectRouting,
    RoutingPlan,
    Target,
    plan_assign,
    plan_restore,
    plan_switch,
    plan_withdraw,
)
from services.domain.stickiness import Sticky, WantedDomain

PRODUCTION, PREVIEW = "env_production", "env_preview"


def target(generation: int, environment_id: str = PRODUCTION) -> Target:
    return Target(
        deployment_id=f"d_{generation}",
        generation=generation,
        environment_id=environment_id,
        is_production=environment_id == PRODUCTION,
    )


def record(hostname: str, sticky: Sticky, generation: int, environment_id: str = PRODUCTION) -> DomainRecord:
    return DomainRecord(
        id=f"dom_{hostname}",
        hostname=hostname,
        workspace_id="ws_1",
        project_id="p_1",
        environment_id=environment_id,
        deployment_id=f"d_{generation}",
        generation=generation,
        sticky=sticky,
    )


def project(live: int | None = None, *, is_rolled_back: bool = False) -> ProjectRouting:
    """Project p_1 with the deployment of generation `live` as its live one."""
    return ProjectRouting(
        id="p_1",
        workspace_id="ws_1",
        live_deployment_id=None if live is None else f"d_{live}",
        live_generation=live or 0,
        is_rolled_back=is_rolled_back,
    )


def wanted(**stickies: Sticky) -> list[WantedDomain]:
    return [WantedDomain(hostname=hostname, sticky=sticky) for hostname, sticky in stickies.items()]


def moved(plan: RoutingPlan) -> dict[str, tuple[str | None, str | None]]:
    """Where each changed hostname pointed before and points after."""
    return {change.hostname: (change.before, change.after) for change in plan.changes}


def held(plan: RoutingPlan) -> set[str]:
    return {held.hostname for held in plan.held}


ALL = wanted(commit=Sticky.COMMIT, branch=Sticky.BRANCH, environment=Sticky.ENVIRONMENT, live=Sticky.LIVE)


def standing(generation: int, *others: DomainRecord) -> list[DomainRecord]:
    """The records after the deployment of that generation was assigned all its domains."""
    return [
        record("branch", Sticky.BRANCH, generation),
        record("environment", Sticky.ENVIRONMENT, generation),
        record("live", Sticky.LIVE, generation),
        *others,
    ]


# -- assign ------------------------------------------------------------------------------------------------------------


def test_the_first_deployment_gets_all_its_domains_and_live() -> None:
    plan = plan_assign(project(), target(1), ALL, [])

    assert moved(plan) == dict.fromkeys(("branch", "commit", "environment", "live"), (None, "d_1"))
    assert (plan.live_before, plan.live_after) == (None, "d_1")
    assert plan.held == ()


def test_a_newer_deployment_takes_what_follows_and_adds_its_own_commit_domain() -> None:
    plan = plan_assign(project(1), target(2), ALL, standing(1))

    assert moved(plan) == {
        "branch": ("d_1", "d_2"),
        "commit": (None, "d_2"),
        "environment": ("d_1", "d_2"),
        "live": ("d_1", "d_2"),
    }
    assert plan.live_after == "d_2"


def test_assigning_what_stands_already_changes_nothing() -> None:
    plan = plan_assign(project(1), target(1), ALL, standing(1, record("commit", Sticky.COMMIT, 1)))

    assert plan.changes == ()
    assert plan.live_after == "d_1"


def test_a_commit_domain_never_moves() -> None:
    with pytest.raises(Conflict, match="belongs to deployment d_1 and never moves"):
        plan_assign(project(1), target(2), wanted(commit=Sticky.COMMIT), [record("commit", Sticky.COMMIT, 1)])


@pytest.mark.parametrize(
    "owner", [{"workspace_id": "ws_2"}, {"project_id": "p_2"}, {"workspace_id": "ws_2", "project_id": "p_2"}]
)
@pytest.mark.parametrize("sticky", list(Sticky))
def test_a_hostname_of_somebody_else_is_refused_without_saying_whose_it_is(
    owner: dict[str, str], sticky: Sticky
) -> None:
    theirs = replace(record("api", sticky, 1), **owner)

    with pytest.raises(Conflict, match="hostname api is taken") as refused:
        plan_assign(project(1), target(2), wanted(api=sticky), [theirs])
    assert not any(secret in refused.value.message for secret in ("ws_2", "p_2", "d_1"))


def test_one_hostname_that_cannot_be_had_refuses_the_whole_request() -> None:
    theirs = replace(record("taken", Sticky.LIVE, 1), project_id="p_2")

    with pytest.raises(Conflict):
        plan_assign(project(1), target(2), wanted(free=Sticky.LIVE, taken=Sticky.LIVE), [theirs])


def test_a_hostname_cannot_change_what_it_follows() -> None:
    with pytest.raises(Conflict, match="follows branch, not live"):
        plan_assign(project(1), target(2), wanted(api=Sticky.LIVE), [record("api", Sticky.BRANCH, 1)])


def test_a_hostname_cannot_change_the_environment_that_it_follows() -> None:
    with pytest.raises(Conflict, match="follows another environment"):
        plan_assign(
            project(1), target(2, PREVIEW), wanted(api=Sticky.ENVIRONMENT), [record("api", Sticky.ENVIRONMENT, 1)]
        )


def test_a_preview_can_never_have_live() -> None:
    with pytest.raises(PreconditionFailed, match="not in production"):
        plan_assign(project(1), target(2, PREVIEW), wanted(live=Sticky.LIVE), standing(1))


def test_an_older_deployment_that_finishes_late_leaves_the_newer_one_in_place() -> None:
    plan = plan_assign(project(3), target(2), ALL, standing(3))

    assert moved(plan) == {"commit": (None, "d_2")}
    assert held(plan) == {"branch", "environment", "live"}
    assert plan.live_after == "d_3"


def test_an_older_deployment_gets_no_new_live_domain_either() -> None:
    plan = plan_assign(project(3), target(2), wanted(custom=Sticky.LIVE), standing(3))

    assert moved(plan) == {}
    assert held(plan) == {"custom", "live"}


def test_an_older_deployment_gets_no_new_environment_domain_either() -> None:
    plan = plan_assign(project(2), target(1), wanted(custom=Sticky.ENVIRONMENT), standing(2))

    assert moved(plan) == {}
    assert held(plan) == {"custom", "environment"}


def test_all_live_domains_move_with_the_pointer_named_or_not() -> None:
    custom = record("www", Sticky.LIVE, 1)

    plan = plan_assign(project(1), target(2), ALL, standing(1, custom))

    assert moved(plan)["www"] == ("d_1", "d_2")


def test_all_domains_of_an_environment_move_together_and_other_environments_stay() -> None:
    custom = record("www", Sticky.ENVIRONMENT, 1)
    preview = record("preview", Sticky.ENVIRONMENT, 1, PREVIEW)

    plan = plan_assign(project(1), target(2), wanted(environment=Sticky.ENVIRONMENT), standing(1, custom, preview))

    assert set(moved(plan)) == {"environment", "www"}
    assert plan.live_after == "d_1"


def test_while_rolled_back_live_and_production_stay_and_the_rest_follows() -> None:
    plan = plan_assign(project(1, is_rolled_back=True), target(3), ALL, standing(1))

    assert set(moved(plan)) == {"commit", "branch"}
    assert held(plan) == {"environment", "live"}
    assert all("promote" in held.reason for held in plan.held)
    assert plan.live_after == "d_1"
    assert plan.rolled_back_after


def test_while_rolled_back_no_new_live_or_production_domain_appears() -> None:
    plan = plan_assign(
        project(1, is_rolled_back=True), target(3), wanted(www=Sticky.LIVE, prod=Sticky.ENVIRONMENT), standing(1)
    )

    assert plan.changes == ()


def test_while_rolled_back_previews_still_follow_their_environment() -> None:
    standing_preview = record("preview", Sticky.ENVIRONMENT, 1, PREVIEW)

    plan = plan_assign(
        project(1, is_rolled_back=True),
        target(3, PREVIEW),
        wanted(preview=Sticky.ENVIRONMENT, branch=Sticky.BRANCH),
        [standing_preview, record("branch", Sticky.BRANCH, 1)],
    )

    assert set(moved(plan)) == {"preview", "branch"}
    assert plan.held == ()


# -- switch ------------------------------------------------------------------------------------------------------------


def test_a_switch_moves_the_chosen_domains_back_or_forth() -> None:
    back = plan_switch(project(2), target(1), ["dom_environment", "dom_live"], standing(2), is_rolled_back=True)

    assert moved(back) == {"environment": ("d_2", "d_1"), "live": ("d_2", "d_1")}
    assert (back.live_after, back.rolled_back_after) == ("d_1", True)

    forth = plan_switch(
        project(1, is_rolled_back=True), target(2), ["dom_environment", "dom_live"], standing(1), is_rolled_back=False
    )

    assert moved(forth) == {"environment": ("d_1", "d_2"), "live": ("d_1", "d_2")}
    assert (forth.live_after, forth.rolled_back_after) == ("d_2", False)


@pytest.mark.parametrize("is_rolled_back", [True, False])
def test_a_plain_switch_leaves_the_flag(is_rolled_back: bool) -> None:
    plan = plan_switch(
        project(2, is_rolled_back=is_rolled_back), target(1), ["dom_live"], standing(2), is_rolled_back=None
    )

    assert plan.rolled_back_after is is_rolled_back


def test_a_switch_of_one_live_domain_takes_all_live_domains_with_it() -> None:
    plan = plan_switch(
        project(2), target(1), ["dom_live"], standing(2, record("www", Sticky.LIVE, 2)), is_rolled_back=None
    )

    assert set(moved(plan)) == {"live", "www"}


def test_a_switch_of_one_environment_domain_takes_all_of_that_environment_with_it() -> None:
    custom = record("www", Sticky.ENVIRONMENT, 2)
    preview = record("preview", Sticky.ENVIRONMENT, 2, PREVIEW)

    plan = plan_switch(project(2), target(1), ["dom_environment"], standing(2, custom, preview), is_rolled_back=None)

    assert set(moved(plan)) == {"environment", "www"}
    assert plan.live_after == "d_2"


def test_a_switch_to_where_a_domain_points_already_changes_nothing() -> None:
    plan = plan_switch(project(2), target(2), ["dom_live", "dom_live"], standing(2), is_rolled_back=False)

    assert plan.changes == ()
    assert plan.live_after == "d_2"


def test_a_switch_of_an_unknown_domain_is_refused() -> None:
    with pytest.raises(NotFound, match="no domain dom_other"):
        plan_switch(project(2), target(1), ["dom_live", "dom_other"], standing(2), is_rolled_back=None)


def test_a_switch_of_another_projects_domain_is_refused_as_unknown() -> None:
    theirs = replace(record("theirs", Sticky.LIVE, 1), project_id="p_2")

    with pytest.raises(NotFound, match="no domain dom_theirs"):
        plan_switch(project(2), target(1), ["dom_theirs"], [theirs], is_rolled_back=None)


def test_a_commit_domain_is_never_switched() -> None:
    with pytest.raises(PreconditionFailed, match="belongs to one deployment and never moves"):
        plan_switch(project(2), target(1), ["dom_commit"], [record("commit", Sticky.COMMIT, 2)], is_rolled_back=None)


def test_live_is_never_switched_to_a_preview() -> None:
    with pytest.raises(PreconditionFailed, match="production only"):
        plan_switch(project(2), target(3, PREVIEW), ["dom_live"], standing(2), is_rolled_back=None)


def test_an_environment_domain_is_never_switched_to_another_environment() -> None:
    with pytest.raises(PreconditionFailed, match="another environment"):
        plan_switch(project(2), target(3, PREVIEW), ["dom_environment"], standing(2), is_rolled_back=None)


# -- restore -----------------------------------------------------------------------------------------------------------


def test_a_restore_puts_back_only_what_still_stands() -> None:
    done = plan_assign(project(1), target(2), ALL, standing(1))
    since = {"branch": "d_3", "commit": "d_2", "environment": "d_2", "live": "d_2"}

    plan = plan_restore(project(2), done, since)

    assert moved(plan) == {"commit": ("d_2", None), "environment": ("d_2", "d_1"), "live": ("d_2", "d_1")}
    assert plan.live_after == "d_1"


def test_a_restore_leaves_live_alone_once_it_has_moved_on() -> None:
    done = plan_assign(project(1), target(2), ALL, standing(1))

    plan = plan_restore(project(3), done, dict.fromkeys(("branch", "commit", "environment", "live"), "d_3"))

    assert plan.changes == ()
    assert plan.live_after == "d_3"


def test_a_restore_of_a_rollback_puts_the_flag_back() -> None:
    done = plan_switch(project(2), target(1), ["dom_live"], standing(2), is_rolled_back=True)

    plan = plan_restore(project(1, is_rolled_back=True), done, {"live": "d_1"})

    assert (plan.live_after, plan.rolled_back_after) == ("d_2", False)


def test_a_restore_of_a_rollback_leaves_the_flag_of_a_later_one() -> None:
    done = plan_switch(project(2), target(1), ["dom_live"], standing(2), is_rolled_back=True)

    plan = plan_restore(project(0, is_rolled_back=True), done, {"live": "d_0"})

    assert plan.rolled_back_after


# -- any history -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class World:
    """A project with its domains, as the rules keep them: what follows one thing points at one deployment."""

    project: ProjectRouting
    domains: dict[str, DomainRecord]

    def after(self, plan: RoutingPlan) -> "World":
        domains = dict(self.domains)
        for change in plan.changes:
            assert change.before == (domains[change.hostname].deployment_id if change.hostname in domains else None)
            domains.pop(change.hostname, None)
            if change.after is not None:
                domains[change.hostname] = self._moved(change, change.after)
        live = plan.live_after
        generation = int(live.removeprefix("d_")) if live else 0
        flag = plan.rolled_back_after
        return World(
            replace(self.project, live_deployment_id=live, live_generation=generation, is_rolled_back=flag), domains
        )

    def _moved(self, change: Change, deployment_id: str) -> DomainRecord:
        generation = int(deployment_id.removeprefix("d_"))
        before = self.domains.get(change.hostname) or record(change.hostname, change.sticky, generation)
        return replace(before, deployment_id=deployment_id, generation=generation)

    def current(self) -> dict[str, str]:
        return {record.hostname: record.deployment_id for record in self.domains.values()}


GENERATIONS = st.integers(1, 6)
HOSTNAMES = st.sampled_from(["a", "b", "c", "d", "e", "f"])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    live = draw(st.none() | GENERATIONS)
    environments = {PRODUCTION: draw(GENERATIONS), PREVIEW: draw(GENERATIONS)}
    domains = []
    for hostname in draw(st.sets(HOSTNAMES)):
        sticky = draw(st.sampled_from(Sticky))
        environment = draw(st.sampled_from([PRODUCTION, PREVIEW]))
        if sticky is Sticky.LIVE:
            if live is not None:
                domains.append(record(hostname, sticky, live))
        elif sticky is Sticky.ENVIRONMENT:
            domains.append(record(hostname, sticky, environments[environment], environment))
        else:
            domains.append(record(hostname, sticky, draw(GENERATIONS), environment))
    flag = draw(st.booleans()) and live is not None
    return World(project(live, is_rolled_back=flag), {domain.hostname: domain for domain in domains})


@st.composite
def plans(draw: st.DrawFn, world: World) -> RoutingPlan | None:
    """What an assign or a switch of anything to anything decides; None when it is refused."""
    chosen = target(draw(GENERATIONS), draw(st.sampled_from([PRODUCTION, PREVIEW])))
    records = list(world.domains.values())
    try:
        if draw(st.booleans()):
            domains = wanted(**draw(st.dictionaries(HOSTNAMES, st.sampled_from(Sticky), min_size=1)))
            return plan_assign(world.project, chosen, domains, records)
        ids = draw(st.lists(HOSTNAMES.map("dom_{}".format), min_size=1))
        flag = draw(st.none() | st.booleans())
        return plan_switch(world.project, chosen, ids, records, is_rolled_back=flag)
    except (Conflict, NotFound, PreconditionFailed):
        return None


@given(st.data(), worlds())
def test_restoring_at_once_is_as_if_nothing_had_happened(data: st.DataObject, before: World) -> None:
    done = data.draw(plans(before))
    if done is None:
        return
    after = before.after(done)

    restored = after.after(plan_restore(after.project, done, after.current()))

    assert restored.project == before.project
    assert restored.current() == before.current()


@given(st.data(), worlds())
def test_restoring_twice_changes_nothing_more(data: st.DataObject, before: World) -> None:
    done = data.draw(plans(before))
    if done is None:
        return
    after = before.after(done)
    once = after.after(plan_restore(after.project, done, after.current()))

    twice = once.after(plan_restore(once.project, done, once.current()))

    assert twice == once


@given(st.data(), worlds())
def test_after_any_history_live_domains_agree_and_commit_domains_have_not_moved(
    data: st.DataObject, world: World
) -> None:
    first: dict[str, str] = {}
    for _ in range(4):
        done = data.draw(plans(world))
        world = world if done is None else world.after(done)

        domains = world.domains.values()
        live = {domain.deployment_id for domain in domains if domain.sticky is Sticky.LIVE}
        assert live <= {world.project.live_deployment_id}
        for domain in domains:
            if domain.sticky is Sticky.COMMIT:
                assert first.setdefault(domain.hostname, domain.deployment_id) == domain.deployment_id


# -- withdraw ----------------------------------------------------------------------------------------------------------


def test_a_deployment_that_is_removed_loses_the_hostname_that_names_it_for_good() -> None:
    own, other = record("commit", Sticky.COMMIT, 1), record("other", Sticky.COMMIT, 2)

    plan = plan_withdraw(project(2), "d_1", standing(2, own, other))

    assert moved(plan) == {"commit": ("d_1", None)}
    assert (plan.live_after, plan.rolled_back_after) == ("d_2", False)


def test_a_deployment_that_something_follows_is_never_removed() -> None:
    with pytest.raises(PreconditionFailed, match="branch points at it"):
        plan_withdraw(project(2), "d_1", [record("branch", Sticky.BRANCH, 1)])
    with pytest.raises(PreconditionFailed, match="live points at it"):
        plan_withdraw(project(1), "d_1", [])
