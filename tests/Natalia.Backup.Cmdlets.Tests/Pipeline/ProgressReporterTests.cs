using System.Management.Automation;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Cmdlets.Tests.Pipeline;

public sealed class ProgressReporterTests
{
    private const long MiB = 1 << 20;

    private readonly FakeTimeProvider _clock = new();
    private readonly List<ProgressRecord> _sent = [];

    [Fact]
    public void It_sends_twice_a_second_however_often_it_is_told()
    {
        using ProgressReporter reporter = Create();
        for (int i = 0; i < 150; i++)
        {
            reporter.Report(new OperationProgress("Reading", i, 150));
            _clock.Advance(TimeSpan.FromMilliseconds(20));
        }

        // From the first second on.
        Assert.Equal([33, 50, 66, 83], _sent.Select(r => r.PercentComplete));
    }

    [Fact]
    public void What_is_over_within_a_second_shows_nothing()
    {
        ProgressReporter reporter = Create();
        reporter.Report(new OperationProgress("Reading", 1, 2));
        _clock.Advance(TimeSpan.FromMilliseconds(999));
        reporter.Report(new OperationProgress("Reading", 2, 2));
        reporter.Dispose();
        _clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Empty(_sent);
    }

    [Fact]
    public void The_end_is_told_once_and_nothing_comes_after_it()
    {
        ProgressReporter reporter = Create();
        reporter.Report(new OperationProgress("Reading", 1, 2));
        _clock.Advance(TimeSpan.FromSeconds(1));
        reporter.Dispose();
        reporter.Dispose();
        _clock.Advance(TimeSpan.FromSeconds(5));
        reporter.Report(new OperationProgress("Reading", 2, 2));

        Assert.Equal([ProgressRecordType.Processing, ProgressRecordType.Completed], _sent.Select(r => r.RecordType));
        Assert.All(_sent, r => Assert.Equal(7, r.ActivityId));
    }

    [Fact]
    public void Where_there_was_no_bar_none_is_taken_away()
    {
        Create().Dispose();

        Assert.Empty(_sent);
    }

    [Fact]
    public void Bytes_the_rate_and_the_time_left_are_told()
    {
        using ProgressReporter reporter = Create();
        for (int i = 0; i <= 40; i++)
        {
            reporter.Report(new OperationProgress("Reading scsi1", i * 10 * MiB, 1000 * MiB));
            _clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.Equal("400 MiB of 1000 MiB, 100 MiB/s", _sent[^1].StatusDescription);
        Assert.Equal(("Reading scsi1", 6), (_sent[^1].CurrentOperation, _sent[^1].SecondsRemaining));
        Assert.Equal("Backing up", _sent[^1].Activity);
        // Too early to say.
        Assert.Equal(("100 MiB of 1000 MiB", -1), (_sent[0].StatusDescription, _sent[0].SecondsRemaining));
    }

    [Fact]
    public void The_rate_is_that_of_the_last_seconds()
    {
        using ProgressReporter reporter = Create();
        // What was skipped first went a hundred times as fast.
        reporter.Report(new OperationProgress("Reading", 0, 100_000 * MiB));
        for (int i = 1; i <= 400; i++)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(100));
            reporter.Report(new OperationProgress("Reading", (50_000 + i) * MiB, 100_000 * MiB));
        }

        Assert.EndsWith(", 10.0 MiB/s", _sent[^1].StatusDescription, StringComparison.Ordinal);
        Assert.InRange(_sent[^1].SecondsRemaining, 4900, 5000);
    }

    [Fact]
    public void What_stands_still_shows_it()
    {
        using ProgressReporter reporter = Create();
        reporter.Report(new OperationProgress("Reading", 0, 1000 * MiB));
        _clock.Advance(TimeSpan.FromSeconds(2));
        reporter.Report(new OperationProgress("Reading", 500 * MiB, 1000 * MiB));
        for (int second = 0; second < 12; second++) _clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("500 MiB of 1000 MiB, 0 B/s", _sent[^1].StatusDescription);
        Assert.Equal(-1, _sent[^1].SecondsRemaining);
    }

    [Fact]
    public void A_step_that_counts_nothing_is_told_also_when_another_was_told_just_before()
    {
        using ProgressReporter reporter = Create();
        reporter.Report(new OperationProgress("Waiting for the guest", 0, null));
        _clock.Advance(TimeSpan.FromSeconds(1));
        reporter.Report(new OperationProgress("Checking", 0, null));
        _clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(["Waiting for the guest", "Checking"], _sent.Select(r => r.StatusDescription));
        Assert.All(_sent, r => Assert.Equal(-1, r.PercentComplete));
    }

    [Fact]
    public void The_next_disk_begins_anew()
    {
        using ProgressReporter reporter = Create();
        foreach (int done in Enumerable.Range(0, 21).Select(i => i * 50).Concat(Enumerable.Range(0, 30)))
        {
            reporter.Report(new OperationProgress("Reading", done * MiB, 1000 * MiB));
            _clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.EndsWith(", 10.0 MiB/s", _sent[^1].StatusDescription, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_bytes_is_counted_by_its_name()
    {
        using ProgressReporter reporter = Create();
        _clock.Advance(TimeSpan.FromSeconds(1));
        reporter.Report(new OperationProgress("Deleting packs", 3, 12) { Unit = "packs" });
        _clock.Advance(TimeSpan.FromSeconds(1));
        reporter.Report(new OperationProgress("Consolidating", 40, 100) { Unit = "%" });
        _clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(["3 of 12 packs", "40 %"], _sent.Select(r => r.StatusDescription).Distinct());
        Assert.Equal([25, 40], _sent.Select(r => r.PercentComplete).Distinct());
    }

    [Theory]
    [InlineData(5, null, -1)]
    [InlineData(5, 0L, -1)]
    [InlineData(200, 100L, 100)]
    public void A_total_that_is_unknown_or_wrong_does_no_harm(long done, long? total, int percent)
    {
        using ProgressReporter reporter = Create();
        _clock.Advance(TimeSpan.FromSeconds(1));
        reporter.Report(new OperationProgress("Reading", done, total));

        Assert.Equal(percent, Assert.Single(_sent).PercentComplete);
    }

    private ProgressReporter Create() =>
        new((record, _) => _sent.Add(record), _clock, activityId: 7, parentId: -1, "Backing up");
}
