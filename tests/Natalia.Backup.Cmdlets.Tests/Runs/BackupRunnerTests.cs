using Natalia.Backup.Cmdlets.Tests.Fakes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Runs;

public sealed class BackupRunnerTests : IDisposable
{
    private readonly RepositoryFixture _fixture = new();

    private static readonly IProgress<OperationProgress> s_noProgress = new Progress<OperationProgress>();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task A_run_freezes_makes_the_point_and_releases()
    {
        var hypervisor = new FakeHypervisor();
        hypervisor.OnRead = _ => Note(hypervisor, "read");
        RunOutcome outcome = await RunAsync(hypervisor);

        Assert.Null(outcome.Failure);
        Assert.Equal(new string('b', 32), outcome.Point!.ApplianceId);
        Assert.Equal(DiskRole.Data, Assert.Single(outcome.Point.Disks).Role);
        Assert.Equal(["freeze scsi1 of a", "read", "seal", "close scsi1", "published", "release"], hypervisor.Journal);
    }

    [Fact]
    public async Task A_failed_run_releases_too_and_publishes_nothing()
    {
        var trouble = new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed, "Bad sector.");
        var hypervisor = new FakeHypervisor { OnRead = _ => Task.FromException(trouble) };
        RunOutcome outcome = await RunAsync(hypervisor);

        Assert.Null(outcome.Point);
        Assert.Same(trouble, outcome.Failure);
        Assert.Equal(["freeze scsi1 of a", "close scsi1", "release"], hypervisor.Journal);
    }

    [Fact]
    public async Task After_Ctrl_C_what_was_frozen_is_released()
    {
        using var stop = new CancellationTokenSource();
        var hypervisor = new FakeHypervisor();
        hypervisor.OnRead = async token =>
        {
            await stop.CancelAsync();
            token.ThrowIfCancellationRequested();
        };
        RunOutcome outcome = await RunAsync(hypervisor, stop.Token);

        Assert.IsAssignableFrom<OperationCanceledException>(outcome.Failure);
        Assert.Equal("release", hypervisor.Journal[^1]);
        Assert.DoesNotContain("published", hypervisor.Journal);
    }

    [Fact]
    public async Task What_could_not_be_released_is_told_beside_the_good_point()
    {
        var trouble = new InvalidOperationException("The snapshot stays.");
        RunOutcome outcome = await RunAsync(new FakeHypervisor { ReleaseFailure = trouble });

        Assert.NotNull(outcome.Point);
        Assert.Null(outcome.Failure);
        Assert.Same(trouble, outcome.ReleaseFailure);
    }

    [Fact]
    public async Task A_disk_that_cannot_be_closed_keeps_no_point_from_being_told_as_published()
    {
        var trouble = new InvalidOperationException("The handle is gone.");
        var hypervisor = new FakeHypervisor { CloseFailure = trouble };
        RunOutcome outcome = await RunAsync(hypervisor);

        Assert.NotNull(outcome.Point);
        Assert.Same(trouble, outcome.ReleaseFailure);
        Assert.Equal(["close scsi1", "published", "release"], hypervisor.Journal[^3..]);
    }

    [Fact]
    public async Task Where_nothing_was_frozen_nothing_is_released_and_the_next_run_begins_at_once()
    {
        var trouble = new NataliaException(ErrorIds.DiskInUse, NataliaErrorKind.ResourceBusy, "In use.");
        var hypervisor = new FakeHypervisor { FreezeFailure = trouble };
        RunOutcome outcome = await RunAsync(hypervisor);

        Assert.Same(trouble, outcome.Failure);
        Assert.Equal(["freeze scsi1 of a"], hypervisor.Journal);
        Assert.NotNull((await RunAsync(new FakeHypervisor())).Point);
    }

    [Fact]
    public async Task A_run_that_waited_while_another_vm_took_the_place_reads_nothing()
    {
        var hypervisor = new FakeHypervisor();
        using Repository repository = await _fixture.CreateAsync();
        await repository.SetApplianceSettingsAsync(new ApplianceSettings
        {
            ApplianceId = new string('b', 32),
            Name = "natalia-nice",
            HypervisorKind = "Fake",
            SuccessorId = new string('c', 32),
            FormerIds = [hypervisor.Appliance.ApplianceId],
        }, default);
        RunOutcome outcome = await RunAsync(hypervisor, repository);

        Assert.Equal(ErrorIds.ApplianceReplaced, Assert.IsType<NataliaException>(outcome.Failure).ErrorId);
        Assert.Empty(hypervisor.Journal);
    }

    [Fact]
    public async Task Nothing_is_frozen_for_a_repository_that_somebody_else_is_writing_to()
    {
        var first = new FakeHypervisor();
        var second = new FakeHypervisor();
        RunOutcome? refused = null;
        using Repository other = await _fixture.CreateAsync();
        first.OnRead = async _ => refused ??= await RunAsync(second, other);
        RunOutcome outcome = await RunAsync(first, other);

        Assert.NotNull(outcome.Point);
        Assert.Equal(ErrorIds.LeaseHeld, Assert.IsType<NataliaException>(refused!.Failure).ErrorId);
        Assert.Empty(second.Journal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_lost_answer_is_settled_by_looking_and_told_where_the_store_is_gone(bool isGone)
    {
        using (await _fixture.CreateAsync())
        {
        }
        var hypervisor = new FakeHypervisor();
        var lost = new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout, "The line is dead.");
        bool hasStruck = false;
        var store = new HookStore(_fixture.Store)
        {
            Before = _ => isGone && hasStruck ? throw lost : Task.CompletedTask
        };
        store.After = operation =>
        {
            if (hasStruck || !operation.StartsWith("put ", StringComparison.Ordinal)
                || !operation.Contains("/points/", StringComparison.Ordinal)) return Task.CompletedTask;
            hasStruck = true;
            throw lost;
        };
        RunOutcome outcome;
        using (Repository repository = await _fixture.OpenAsync(store))
            outcome = await RunAsync(hypervisor, repository);

        Assert.True(hasStruck);
        string told = isGone ? "unclear" : "published";
        Assert.Equal(["freeze scsi1 of a", "seal", "close scsi1", told, "release"], hypervisor.Journal);
        Assert.Equal(!isGone, outcome.Point is not null);
        Assert.Equal(isGone, outcome.Warnings.Any(w => w.Contains("is not known", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_refusal_at_the_very_end_is_no_lost_answer()
    {
        using (await _fixture.CreateAsync())
        {
        }
        var hypervisor = new FakeHypervisor();
        var full = new NataliaException(ErrorIds.StoreFull, NataliaErrorKind.ResourceUnavailable, "It is full.");
        var store = new HookStore(_fixture.Store)
        {
            Before = operation => operation.StartsWith("put ", StringComparison.Ordinal)
                && operation.Contains("/points/", StringComparison.Ordinal) ? throw full : Task.CompletedTask,
        };
        RunOutcome outcome;
        using (Repository repository = await _fixture.OpenAsync(store))
            outcome = await RunAsync(hypervisor, repository);

        Assert.Same(full, outcome.Failure);
        Assert.Equal(["freeze scsi1 of a", "seal", "close scsi1", "release"], hypervisor.Journal);
        Assert.Empty(outcome.Warnings);
    }

    [Fact]
    public async Task Control_C_in_the_moment_of_publication_loses_neither_the_point_nor_its_tracking()
    {
        using (await _fixture.CreateAsync())
        {
        }
        using var stop = new CancellationTokenSource();
        var hypervisor = new FakeHypervisor();
        var store = new HookStore(_fixture.Store)
        {
            After = async operation =>
            {
                if (!operation.StartsWith("put ", StringComparison.Ordinal)
                    || !operation.Contains("/points/", StringComparison.Ordinal)) return;
                await stop.CancelAsync();
                stop.Token.ThrowIfCancellationRequested();
            },
        };
        RunOutcome outcome;
        using (Repository repository = await _fixture.OpenAsync(store))
            outcome = await RunAsync(hypervisor, repository, stop.Token);

        Assert.NotNull(outcome.Point);
        Assert.Equal(["published", "release"], hypervisor.Journal[^2..]);
    }

    [Theory]
    [InlineData(RequestedBackupType.Incremental, BackupType.Full, null, 1)]
    [InlineData(RequestedBackupType.Incremental, BackupType.Incremental, null, 0)]
    [InlineData(RequestedBackupType.Auto, BackupType.Full, null, 1)]
    [InlineData(RequestedBackupType.Full, BackupType.Full, "The agent did not answer.", 1)]
    public async Task Falling_back_is_a_warning(RequestedBackupType asked, BackupType made,
        string? consistencyReason, int warnings)
    {
        var hypervisor = new FakeHypervisor { ConsistencyReason = consistencyReason };
        RestorePoint point = (await RunAsync(hypervisor)).Point! with
        {
            RequestedType = asked,
            Type = made,
            Reason = "Because."
        };
        IFrozenDisks frozen = await hypervisor.FreezeAsync(hypervisor.Appliance, How, default);

        IReadOnlyList<string> told = BackupRunner.Warnings(point, frozen, []);
        Assert.Equal(warnings, told.Count);
        Assert.All(told, w => Assert.StartsWith("natalia-test: ", w, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_odd_about_a_disk_is_a_warning_of_its_run()
    {
        RunOutcome outcome = await RunAsync(new FakeHypervisor { Warnings = ["The disk is empty."] });

        Assert.Equal("natalia-test: The disk is empty.", Assert.Single(outcome.Warnings));
    }

    [Theory]
    [InlineData(0, null, null)]
    [InlineData(1, null, "The VM had a snapshot of others, which backups never touch.")]
    [InlineData(2, "The agent is silent.",
        "The agent is silent. The VM had 2 snapshots of others, which backups never touch.")]
    public async Task Snapshots_of_others_are_kept_in_the_points_reason_and_told_once(int foreign,
        string? consistencyReason, string? reason)
    {
        RunOutcome outcome = await RunAsync(new FakeHypervisor
        {
            ForeignSnapshots = foreign,
            ConsistencyReason = consistencyReason,
        });

        Assert.Equal(reason, outcome.Point!.Reason);
        Assert.Equal(Math.Min(foreign, 1),
            outcome.Warnings.Count(w => w.Contains("of others", StringComparison.Ordinal)));
    }

    [Fact]
    public void With_the_system_disk_the_data_disk_still_comes_first()
    {
        ApplianceDescription appliance = new FakeHypervisor().Appliance;

        Assert.Equal(["scsi1", "scsi0"],
            DiskSelection.Select(appliance, null, includeSystemDisk: true).Select(d => d.DiskId));
        Assert.Equal(["scsi0", "scsi1"],
            DiskSelection.Select(appliance, "SCSI0", includeSystemDisk: true).Select(d => d.DiskId));
        Assert.Equal(DiskRole.Data, DiskSelection.Select(appliance, "scsi0", includeSystemDisk: false)[0].Role);
    }

    private static FreezeRequest How =>
        new() { DiskIds = ["scsi1"], RunId = "run", RepositoryId = "repository", HistoryId = "history" };

    private static Task Note(FakeHypervisor hypervisor, string what)
    {
        hypervisor.Journal.Add(what);
        return Task.CompletedTask;
    }

    private async Task<RunOutcome> RunAsync(FakeHypervisor hypervisor, CancellationToken token = default)
    {
        bool isNew = await _fixture.Store.StatAsync("natalia.json", default) is null;
        using Repository repository = isNew ? await _fixture.CreateAsync() : await _fixture.OpenAsync();
        return await RunAsync(hypervisor, repository, token);
    }

    private static Task<RunOutcome> RunAsync(FakeHypervisor hypervisor, Repository repository,
        CancellationToken token = default)
    {
        var located = new LocatedAppliance(hypervisor.Connect("fake"), hypervisor.Appliance);
        var job = new PlannedRun(located, new string('b', 32),
            DiskSelection.Select(hypervisor.Appliance, null, false), Connection(repository),
            ApplianceView.Create(located, null));
        return BackupRunner.RunAsync(job, RequestedBackupType.Auto, repository, null, s_noProgress, token);
    }

    private static RepositoryConnection Connection(Repository repository) => new(new RepositorySession
    {
        Name = "nas",
        RepositoryId = repository.RepositoryId,
        StoreKind = "Memory",
        Location = "memory",
        AuditKeyFingerprint = repository.AuditKeyFingerprint,
        IsUnlocked = true,
        ConnectedUtc = DateTime.UnixEpoch,
    }, repository, new FolderStoreSettings { Name = "nas", Path = "memory", Access = default });
}
