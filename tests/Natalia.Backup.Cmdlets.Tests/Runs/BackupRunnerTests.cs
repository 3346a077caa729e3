using Natalia.Backup.Cmdlets.Tests.Fakes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;

namespace Natalia.Backup.Cmdlets.Tests.Runs;

public sealed class BackupRunnerTests
{
    private static readonly IProgress<OperationProgress> NoProgress = new Progress<OperationProgress>();

    [Fact]
    public async Task A_run_freezes_makes_the_point_and_releases()
    {
        var hypervisor = new FakeHypervisor();
        BackupRequest? seen = null;
        RunOutcome outcome = await RunAsync(hypervisor, async (request, beforePublish, _, token) =>
        {
            seen = request;
            hypervisor.Journal.Add("read");
            await beforePublish!(token);
            return Point(request);
        });

        Assert.NotNull(outcome.Point);
        Assert.Equal(["freeze scsi1 of a", "read", "verify", "close scsi1", "release"], hypervisor.Journal);
        Assert.Equal(new string('b', 32), seen!.Appliance.ApplianceId);
        Assert.Equal(DiskRole.Data, Assert.Single(seen.Disks).Role);
    }

    [Fact]
    public async Task A_failed_run_releases_too()
    {
        var hypervisor = new FakeHypervisor();
        var trouble = new NataliaException(ErrorIds.StoreFull, NataliaErrorKind.ResourceUnavailable, "Full.");

        RunOutcome outcome = await RunAsync(hypervisor, (_, _, _, _) => Task.FromException<RestorePoint>(trouble));

        Assert.Null(outcome.Point);
        Assert.Same(trouble, outcome.Failure);
        Assert.Equal("release", hypervisor.Journal[^1]);
    }

    [Fact]
    public async Task After_Ctrl_C_the_release_has_a_token_that_is_not_cancelled()
    {
        var hypervisor = new FakeHypervisor();
        using var stop = new CancellationTokenSource();

        RunOutcome outcome = await RunAsync(hypervisor, async (_, _, _, token) =>
        {
            await stop.CancelAsync();
            token.ThrowIfCancellationRequested();
            throw new InvalidOperationException();
        }, stop.Token);

        Assert.IsAssignableFrom<OperationCanceledException>(outcome.Failure);
        Assert.Equal("release", hypervisor.Journal[^1]);
        Assert.False(hypervisor.ReleaseTokenWasCancelled);
    }

    [Fact]
    public async Task What_could_not_be_released_is_told_beside_the_good_point()
    {
        var trouble = new InvalidOperationException("The snapshot stays.");
        RunOutcome outcome = await RunAsync(new FakeHypervisor { ReleaseFailure = trouble }, (request, _, _, _) => Task.FromResult(Point(request)));

        Assert.NotNull(outcome.Point);
        Assert.Null(outcome.Failure);
        Assert.Same(trouble, outcome.ReleaseFailure);
    }

    [Fact]
    public async Task Where_nothing_was_frozen_nothing_is_released()
    {
        var trouble = new NataliaException(ErrorIds.DiskInUse, NataliaErrorKind.ResourceBusy, "In use.");
        var hypervisor = new FakeHypervisor { FreezeFailure = trouble };
        RunOutcome outcome = await RunAsync(hypervisor, (_, _, _, _) => throw new InvalidOperationException("not reached"));

        Assert.Same(trouble, outcome.Failure);
        Assert.Equal(["freeze scsi1 of a"], hypervisor.Journal);
    }

    [Theory]
    [InlineData(RequestedBackupType.Incremental, BackupType.Full, null, 1)]
    [InlineData(RequestedBackupType.Incremental, BackupType.Incremental, null, 0)]
    [InlineData(RequestedBackupType.Auto, BackupType.Full, null, 1)]
    [InlineData(RequestedBackupType.Full, BackupType.Full, "The agent did not answer.", 1)]
    public async Task Falling_back_is_a_warning(RequestedBackupType asked, BackupType made, string? consistencyReason, int warnings)
    {
        RunOutcome outcome = await RunAsync(new FakeHypervisor { ConsistencyReason = consistencyReason },
            (request, _, _, _) => Task.FromResult(Point(request) with { Type = made, Reason = "Because." }), type: asked);

        Assert.Equal(warnings, outcome.Warnings.Count);
        Assert.All(outcome.Warnings, w => Assert.StartsWith("natalia-test: ", w, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_odd_about_a_disk_is_a_warning_of_its_run()
    {
        RunOutcome outcome = await RunAsync(new FakeHypervisor { Warnings = ["The disk is empty."] }, (request, _, _, _) => Task.FromResult(Point(request)));

        Assert.Equal("natalia-test: The disk is empty.", Assert.Single(outcome.Warnings));
    }

    [Fact]
    public void With_the_system_disk_the_data_disk_still_comes_first()
    {
        ApplianceDescription appliance = new FakeHypervisor().Appliance;

        Assert.Equal(["scsi1", "scsi0"], DiskSelection.Select(appliance, null, includeSystemDisk: true).Select(d => d.DiskId));
        Assert.Equal(["scsi0", "scsi1"], DiskSelection.Select(appliance, "SCSI0", includeSystemDisk: true).Select(d => d.DiskId));
        Assert.Equal(DiskRole.Data, DiskSelection.Select(appliance, "scsi0", includeSystemDisk: false)[0].Role);
    }

    private static Task<RunOutcome> RunAsync(FakeHypervisor hypervisor, MakePoint makePoint, CancellationToken token = default, RequestedBackupType type = RequestedBackupType.Auto)
    {
        var located = new LocatedAppliance(hypervisor.Connect("fake"), hypervisor.Appliance);
        var job = new PlannedRun(located, new string('b', 32), DiskSelection.Select(hypervisor.Appliance, null, false), null!, ApplianceView.Create(located, null));
        return BackupRunner.RunAsync(job, type, makePoint, NoProgress, token);
    }

    private static RestorePoint Point(BackupRequest request) => new()
    {
        RestorePointId = new string('1', 32),
        ApplianceId = request.Appliance.ApplianceId,
        ApplianceName = request.Appliance.Name,
        RepositoryId = new string('2', 32),
        Repository = "test",
        TimeUtc = request.TimeUtc,
        RequestedType = request.RequestedType,
        Consistency = request.Consistency,
    };
}
