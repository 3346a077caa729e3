using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Tests.Retention;

public sealed class RetentionPolicyTests
{
    [Fact]
    public void Zero_is_off()
    {
        Assert.Equal(new RetentionPolicy { Daily = 7 }, new RetentionPolicy { Daily = 7, Weekly = 0, Last = 0 });
        Assert.True(new RetentionPolicy { Daily = 0 }.KeepsEverything);
        Assert.False(new RetentionPolicy { Yearly = 1 }.KeepsEverything);
    }

    [Fact]
    public void A_negative_limit_is_refused_and_named()
    {
        NataliaException error = Assert.Throws<NataliaException>(() => new RetentionPolicy { Weekly = -1 });
        Assert.Equal(ErrorIds.RetentionPolicyInvalid, error.ErrorId);
        Assert.Contains("Weekly", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void It_reads_as_one_line()
    {
        Assert.Equal("last 4, daily 7, weekly 4, monthly 3 (Europe/Paris)",
            (RetentionPolicy.For(BackupStrategy.SixHourly) with { TimeZoneId = " Europe/Paris " }).ToString());
        Assert.Equal("daily 7, weekly 4, monthly 3 (UTC)", RetentionPolicy.For(BackupStrategy.Daily).ToString());
        Assert.Equal("everything (UTC)", new RetentionPolicy { TimeZoneId = "" }.ToString());
    }

    [Fact]
    public void An_appliances_own_policy_wins_over_the_default()
    {
        var own = new StoredRetentionPolicy("a", null, new RetentionPolicy { Last = 1 }, null);
        var common = new StoredRetentionPolicy(null, null, new RetentionPolicy { Last = 2 }, null);
        Assert.Same(own, StoredRetentionPolicy.For([common, own], "a"));
        Assert.Same(common, StoredRetentionPolicy.For([common, own], "b"));
        Assert.Null(StoredRetentionPolicy.For([own], "b"));
    }

    [Fact]
    public void A_stricter_policy_says_what_it_would_take()
    {
        RetentionPoint[] points = Plans.Every("2026-02-01T12:00:00Z", 24, 20);
        RetentionPolicyChange change = RetentionPolicyChange.Compare(points, new RetentionPolicy { Daily = 7 },
            new RetentionPolicy { Daily = 5 }, Plans.Now);
        Assert.Equal(["2026-02-15", "2026-02-14"], change.NewlyRemoved.Select(r => r.Day));
        Assert.Empty(change.NewlyKept);
        Assert.Equal(2,
            RetentionPolicyChange.Compare(points, new RetentionPolicy { Daily = 5 }, new RetentionPolicy { Daily = 7 },
                Plans.Now).NewlyKept.Count);
    }

    [Fact]
    public void The_first_policy_is_compared_with_keeping_everything()
    {
        RetentionPoint[] points = [.. Plans.Every("2026-02-01T12:00:00Z", 24, 20)
            .Select(p => p with { LockedUntilUtc = Plans.Now.AddDays(1) })];
        Assert.Equal(13,
            RetentionPolicyChange.Compare(points, null, new RetentionPolicy { Daily = 7 },
                Plans.Now).NewlyRemoved.Count);
        Assert.Empty(RetentionPolicyChange.Compare(points, new RetentionPolicy { Daily = 7 }, null,
            Plans.Now).NewlyRemoved);
    }
}
