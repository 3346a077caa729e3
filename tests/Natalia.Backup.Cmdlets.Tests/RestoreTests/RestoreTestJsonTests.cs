using Natalia.Backup.Cmdlets.Tests.Recovery;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Cmdlets.Tests.RestoreTests;

public sealed class RestoreTestJsonTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_test_is_read_as_it_was_written_and_one_that_restored_nothing_has_no_duration_of_it(bool isServed)
    {
        RestoreTest test = Facts.Test(3) with { AllocatedBytes = isServed ? null : 10L << 30 };
        if (isServed) test = test with { IsFromRepository = true, RestoreDuration = null };
        string text = RestoreTestJson.Encode(test);
        RestoreTest read = RestoreTestJson.Decode(text, test.ApplianceId, test.RestorePointId, test.RepositoryId);
        Assert.Equal(test with { Checks = [] }, read with { Checks = [] });
        Assert.Equal(isServed, !text.Contains("restoreTicks", StringComparison.Ordinal));
    }
}
