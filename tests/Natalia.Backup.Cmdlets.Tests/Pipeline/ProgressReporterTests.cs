using System.Management.Automation;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Cmdlets.Tests.Pipeline;

public sealed class ProgressReporterTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly List<ProgressRecord> _sent = [];

    [Fact]
    public void It_sends_twice_a_second_however_often_it_is_told()
    {
        using ProgressReporter reporter = Create();
        for (int i = 0; i < 100; i++)
        {
            reporter.Report(new OperationProgress("Reading", i, 100));
            _clock.Advance(TimeSpan.FromMilliseconds(20));
        }

        Assert.Equal(4, _sent.Count);
        Assert.Equal([0, 25, 50, 75], _sent.Select(r => r.PercentComplete));
    }

    [Fact]
    public void The_end_is_told_once_and_nothing_comes_after_it()
    {
        ProgressReporter reporter = Create();
        reporter.Report(new OperationProgress("Reading", 1, 2));
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
    public void The_remaining_time_follows_the_rate()
    {
        using ProgressReporter reporter = Create();
        reporter.Report(new OperationProgress("Reading", 0, 1000));
        _clock.Advance(TimeSpan.FromSeconds(10));
        reporter.Report(new OperationProgress("Reading", 250, 1000));

        Assert.Equal(30, _sent[^1].SecondsRemaining);
    }

    [Theory]
    [InlineData(5, null, -1)]
    [InlineData(5, 0L, -1)]
    [InlineData(200, 100L, 100)]
    public void A_total_that_is_unknown_or_wrong_does_no_harm(long done, long? total, int percent)
    {
        using ProgressReporter reporter = Create();
        reporter.Report(new OperationProgress("Reading", done, total));

        Assert.Equal(percent, Assert.Single(_sent).PercentComplete);
    }

    private ProgressReporter Create() =>
        new((record, _) => _sent.Add(record), _clock, activityId: 7, parentId: -1, "Backing up");
}
