using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Errors;

namespace Natalia.Backup.Cmdlets.Tests.Errors;

public sealed class ErrorRecordFactoryTests
{
    [Fact]
    public void Every_known_kind_has_a_category_of_its_own()
    {
        List<ErrorCategory> categories = [.. Enum.GetValues<NataliaErrorKind>()
            .Where(k => k != NataliaErrorKind.Unknown).Select(ErrorRecordFactory.CategoryOf)];

        Assert.DoesNotContain(ErrorCategory.NotSpecified, categories);
        Assert.Equal(categories.Count, categories.Distinct().Count());
    }

    [Fact]
    public void The_record_says_what_the_exception_says()
    {
        ErrorRecord record = ErrorRecordFactory.Create(new NataliaException(ErrorIds.StoreFull,
            NataliaErrorKind.ResourceUnavailable, "It is full.", "the disk", "Make room."));

        Assert.Equal("StoreFull", record.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.ResourceUnavailable, record.CategoryInfo.Category);
        Assert.Equal("the disk", record.TargetObject);
        Assert.Equal("It is full.", record.ToString());
        Assert.Equal("Make room.", record.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void One_failure_in_an_aggregate_is_that_failure()
    {
        var inner = new NataliaException(ErrorIds.PackMissing, NataliaErrorKind.InvalidData, "A pack is missing.");

        Assert.Same(inner, ErrorRecordFactory.Create(new AggregateException(new AggregateException(inner))).Exception);
    }

    [Fact]
    public void The_given_target_wins() =>
        Assert.Equal(42,
            ErrorRecordFactory.Create(new NataliaException(ErrorIds.PackMissing, NataliaErrorKind.InvalidData,
                "A pack is missing.", "pack"),
                42).TargetObject);

    [Fact]
    public void An_error_without_advice_of_its_own_has_the_cure_of_the_topic()
    {
        ErrorRecord record = ErrorRecordFactory.Create(new NataliaException(ErrorIds.CapabilityMissing,
            NataliaErrorKind.NotSupported, "It cannot do that."));
        Assert.Equal("Use one that can. The message says what is possible here.",
            record.ErrorDetails.RecommendedAction);
        // Those that nobody can meet are no members of the topic.
        Assert.DoesNotContain(typeof(ErrorIds).GetFields().Select(f => (string)f.GetRawConstantValue()!),
            id => string.IsNullOrWhiteSpace(ErrorCures.Of(id)));
    }

    [Fact]
    public void A_cure_may_have_several_lines()
    {
        IReadOnlyDictionary<string, string> cures = ErrorCures.Parse(
            "HEADING\n    OneId\n        Cause: It is.\n               So.\n        Cure:  Do this,\r\n"
            + "               and that.\n\n    OtherId\n        Cure:  Nothing.\nSEE ALSO\n    a page\n");
        Assert.Equal(("Do this, and that.", "Nothing.", 2), (cures["OneId"], cures["OtherId"], cures.Count));
    }
}
