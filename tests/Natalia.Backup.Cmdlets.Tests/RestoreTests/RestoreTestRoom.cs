using System.Text;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Cmdlets.Tests.RestoreTests;

/// <summary>
/// A repository with a restore point, a test bench in memory, and a guest that is healthy unless a test says otherwise.
/// Time goes on by a second whenever it is asked for.
/// </summary>
internal sealed class RestoreTestRoom : IDisposable
{
    internal const string Day = "2026-11-27";
    private readonly RepositoryFixture _bench = new();
    private readonly TemporaryFolder _journal = new();

    internal RestoreTestRoom()
    {
        Site.OnRun = (command, _) =>
        {
            string line = string.Join(" ", command.Arguments);
            (int code, string output) = line.StartsWith("/bin/sh", StringComparison.Ordinal) ? (0, "")
                : Answers.First(a => line.EndsWith(a.Key, StringComparison.Ordinal)).Value;
            return Task.FromResult(new GuestCommandResult(code, null, output, "", false, TimeSpan.Zero));
        };
    }

    internal MemoryInventory Site { get; } = new();

    internal FakeTimeProvider Clock { get; } =
        new TickingClock(new DateTime(2026, 11, 30, 3, 0, 0, DateTimeKind.Utc));

    /// <summary>What the guest answers to what a command ends with: exit code and output.</summary>
    internal Dictionary<string, (int Code, string Output)> Answers { get; } = new()
    {
        ["check-integrity"] = (0, "all is whole"),
        ["audit verify"] = (0, "812 records"),
        [$"cdr count --day {Day} --zone UTC"] = (0, "20000\n"),
    };

    /// <summary>What the points of the newest plan lie in.</summary>
    internal HookStore Store { get; private set; } = new(new Engine.Storage.MemoryStore());

    /// <summary>Told each note before it is written.</summary>
    internal Action<string>? OnWrite { get; set; }

    /// <summary>Writes notes.</summary>
    internal Action<FileStream, byte[]> Write { get; set; } = TestJournal.Overwrite;

    internal TestJournal Journal => new(_journal.Path, Clock, (file, note) =>
    {
        OnWrite?.Invoke(Encoding.UTF8.GetString(note));
        Write(file, note);
    });

    internal string[] Notes => _journal.Files;

    internal List<string> Warnings { get; } = [];

    internal IReadOnlyCollection<string> TestVMs => [.. Site.VMs.Where(v => v.Value.Test is not null)
        .Select(v => v.Key)];

    /// <summary>The address that the bench is connected by.</summary>
    internal string Address { get; set; } = "memory";

    internal HypervisorConnection Connect(int lifetime = int.MaxValue) => new(new HypervisorSession
    {
        Name = "bench",
        Kind = "Memory",
        Location = Address,
        ConnectedUtc = DateTime.UnixEpoch,
    }, new MemoryVMHost(Site) { Lifetime = lifetime }, new FolderHypervisorSettings { Name = "bench", Path = "x" });

    internal async Task<RestoreTestPlan> PlanAsync(long? baseline = 20_000, int lifetime = int.MaxValue)
    {
        Store = new HookStore(new Engine.Storage.MemoryStore());
        Repository repository = await _bench.CreateAsync(new FaultStore(Store));
        RestorePoint point = await repository.BackupAsync(new BackupRequest
        {
            Appliance = RepositoryFixture.Appliance with
            {
                Disks = [new ApplianceDisk("scsi0", DiskRole.System, null),
                    new ApplianceDisk("scsi1", DiskRole.Data, null)],
            },
            Disks = [new BackupDisk("scsi0", DiskRole.System, new MemoryDiskSource(RepositoryFixture.Disk(200_000, 1))),
                new BackupDisk("scsi1", DiskRole.Data, new MemoryDiskSource(RepositoryFixture.Disk(300_000, 2)))],
            TimeUtc = new DateTime(2026, 11, 30, 1, 0, 0, DateTimeKind.Utc),
            CdrBaseline = baseline is long count
                ? new CdrBaseline { Count = count, BusinessDay = Day, TimeZone = "UTC" }
                : null,
        }, null, null, default);
        var session = new RepositorySession
        {
            Name = "nas",
            RepositoryId = repository.RepositoryId,
            StoreKind = "Memory",
            Location = "memory",
            AuditKeyFingerprint = repository.AuditKeyFingerprint,
            ConnectedUtc = DateTime.UnixEpoch,
        };
        var located = new LocatedPoint(new RepositoryConnection(session, repository,
            new FolderStoreSettings { Name = "nas", Path = "memory", Access = default }), point);
        HypervisorConnection bench = Connect(lifetime);
        return new RestoreTestPlan
        {
            Point = located,
            Source = await Operations.Restore.PointImages.CreateAsync(located, null, default),
            Bench = bench,
            TestBench = bench.Hypervisor.Find<ITestBench>()!,
            IsolatedNetwork = "nowhere",
        };
    }

    internal Task<RestoreTestOutcome> RunAsync(RestoreTestPlan plan, CancellationToken stop = default) =>
        new RestoreTestRunner(plan, Journal, Clock, _ => { }, Warnings.Add).RunAsync(null, stop);

    internal async Task<RestoreTest> TestAsync(RestoreTestPlan plan)
    {
        RestoreTestOutcome outcome = await RunAsync(plan);
        Assert.Null(outcome.Failure);
        return outcome.Test!;
    }

    internal Task SweepAsync(params string[] applianceIds)
    {
        HypervisorConnection bench = Connect();
        return Journal.SweepAsync(bench, bench.Hypervisor.Find<ITestBench>()!, applianceIds, Warnings.Add, default);
    }

    private sealed class TickingClock(DateTimeOffset start) : FakeTimeProvider(start)
    {
        public override long GetTimestamp()
        {
            Advance(TimeSpan.FromSeconds(1));
            return base.GetTimestamp();
        }
    }

    public void Dispose()
    {
        _bench.Dispose();
        _journal.Dispose();
    }
}
