using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;

namespace Natalia.Backup.Cmdlets.Tests.Appliances;

/// <summary>What several repositories say together of who stands for an appliance.</summary>
public sealed class StandingVMsTests
{
    [Fact]
    public void The_repository_that_knows_of_most_takeovers_has_the_newest_word()
    {
        var standing = new StandingVMs([Word("a"), Word("c", "a", "b"), Word("b", "a")]);
        Assert.Equal("c", standing.Of("a")!.Settings.VMId);
        Assert.Equal(("a", "b", "x"), (standing.IdOf("c"), standing.IdOf("b"), standing.IdOf("x")));
        Assert.Equal(["a"], standing.AppliancesOf("c"));
        Assert.NotNull(standing.ReplacementOf("a"));
        Assert.NotNull(standing.ReplacementOf("b"));
        Assert.Null(standing.ReplacementOf("c"));
        Assert.Null(standing.Disagreement("a"));
        Assert.Equal(["a", "b", "c"], standing.VMsOf("a").Order());
    }

    [Fact]
    public void What_is_told_to_one_repository_after_the_other_ends_in_the_same_list()
    {
        IReadOnlyList<string> first = new StandingVMs([Word("a"), Word("b", "a")]).FormerOf("a", "c");
        Assert.Equal(["a", "b"], first);
        Assert.Equal(first, new StandingVMs([Word("a"), Word("c", [.. first])]).FormerOf("a", "c"));
        Assert.Equal(["a", "b", "c"], new StandingVMs([Word("c", "a", "b")]).FormerOf("a", "a"));
        Assert.Equal(["a"], StandingVMs.None.FormerOf("a", "b"));
        Assert.Empty(StandingVMs.None.FormerOf("a", "a"));
    }

    [Fact]
    public void Two_successors_of_one_vm_disagree_until_one_is_told_to_the_other_repository()
    {
        var standing = new StandingVMs([Word("b", "a"), Word("c", "a")]);
        Assert.Equal("c", standing.Disagreement("a")!.Settings.VMId);
        IReadOnlyList<string> former = standing.FormerOf("a", "b");
        standing = new StandingVMs([Word("c", "a"), Word("b", [.. former])]);
        Assert.Null(standing.Disagreement("a"));
        Assert.Equal("b", standing.Of("a")!.Settings.VMId);
        Assert.NotNull(standing.ReplacementOf("c"));
    }

    [Fact]
    public void An_enrolment_that_ended_tells_who_stood_last_until_there_is_another_word()
    {
        var standing = new StandingVMs([Word("b", "a") with { IsEnded = true }]);
        Assert.Equal("a", standing.IdOf("b"));
        Assert.NotNull(standing.ReplacementOf("a"));
        standing = new StandingVMs([Word("b", "a") with { IsEnded = true },
            new Enrolment(null!, Settings("b", "b", []))]);
        Assert.Equal("b", standing.IdOf("b"));
    }

    [Fact]
    public void An_enrolment_that_ended_has_no_say_beside_one_that_lasts()
    {
        // A drill in another repository, which is over.
        var standing = new StandingVMs([Word("a"), Word("b", "a") with { IsEnded = true }]);
        Assert.Equal("a", standing.Of("a")!.Settings.VMId);
        Assert.Null(standing.ReplacementOf("a"));
        Assert.Null(standing.Disagreement("a"));
        Assert.Empty(standing.AppliancesOf("b"));
        Assert.Equal(["a", "b"], standing.VMsOf("a").Order());
        standing = new StandingVMs([Word("b", "a"), Word("c", "a") with { IsEnded = true }]);
        Assert.Equal("b", standing.Of("a")!.Settings.VMId);
        Assert.Null(standing.Disagreement("a"));
        // The next takeover is still the newest word.
        Assert.Equal(["c", "a", "b"], standing.FormerOf("a", "d"));
    }

    private static Enrolment Word(string vm, params string[] former) => new(null!, Settings("a", vm, former));

    private static ApplianceSettings Settings(string id, string vm, string[] former) => new()
    {
        ApplianceId = id,
        Name = id,
        HypervisorKind = "Folder",
        SuccessorId = vm == id ? null : vm,
        FormerIds = former,
    };
}
