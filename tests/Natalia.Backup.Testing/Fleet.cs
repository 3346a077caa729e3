using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Testing;

/// <summary>
/// Years of backups of many appliances, without making them: the signed records of points that were made and removed,
/// and of restore tests, are written as the product writes them; only the points that are still there are really made.
/// </summary>
public sealed record Fleet
{
    /// <summary>How many appliances.</summary>
    public int Appliances { get; init; } = 50;
    /// <summary>How many of them are there already.</summary>
    public int From { get; init; }
    /// <summary>How many points were recorded of each, those that are kept included.</summary>
    public int Recorded { get; init; } = 4380;
    /// <summary>How many of them are kept: the newest.</summary>
    public int Kept { get; init; } = 18;
    /// <summary>How many restore tests passed, one each quarter.</summary>
    public int Tests { get; init; } = 12;
    /// <summary>Whether the removals are recorded too, as retention does.</summary>
    public bool RecordsRemovals { get; init; } = true;
    /// <summary>How far points lie apart.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromHours(6);

    /// <summary>The id of one of them.</summary>
    public static string IdOf(int number) => ApplianceIdentity.Create("Qemu", "fleet", $"vm-{number}");

    /// <summary>Makes them.</summary>
    /// <param name="repository">An empty repository, open.</param>
    /// <param name="store">Its store.</param>
    /// <param name="nowUtc">When the newest points were made, UTC.</param>
    /// <param name="done">Told of how many appliances are made.</param>
    public async Task MakeAsync(Repository repository, IObjectStore store, DateTime nowUtc, Action<int>? done = null)
    {
        for (int i = From; i < Appliances; i++)
        {
            await MakeAsync(repository, store, i, nowUtc).ConfigureAwait(false);
            done?.Invoke(i + 1);
        }
    }

    private async Task MakeAsync(Repository repository, IObjectStore store, int number, DateTime nowUtc)
    {
        string id = IdOf(number), name = $"natalia-{number:0000}";
        var clock = new Calendar();
        var log = new AuditLog(store, id, repository.Core.Settings.AuditKey, clock);
        byte[] seed = repository.Core.SigningSeed;
        var end = new AuditLog.End(1, []);
        DateTime first = nowUtc - TimeSpan.FromTicks(Interval.Ticks * (Recorded - 1));
        await AddAsync(first.AddDays(-1), new AuditEntry("appliance-set")
        {
            ApplianceId = id,
            WriteData = json =>
            {
                json.WriteString("name", name);
                json.WriteString("hypervisor", "Qemu");
                json.WriteBoolean("includeSystemDisk", false);
                json.WriteString("strategy", "SixHourly");
            },
        }).ConfigureAwait(false);
        DateTime nextTest = nowUtc.AddDays(-1 - 91 * (Tests - 1));
        for (int n = 1; n <= Recorded - Kept; n++)
        {
            DateTime time = first + TimeSpan.FromTicks(Interval.Ticks * (n - 1));
            string point = Id128.NewRandom().ToString();
            await AddAsync(time.AddMinutes(10), new AuditEntry("point-made")
            {
                ApplianceId = id,
                RestorePointId = point,
                Sequence = n,
                WriteData = json =>
                {
                    json.WriteString("name", name);
                    json.WriteString("timeUtc", JsonText.Time(time));
                    json.WriteString("type", "Incremental");
                    json.WriteString("consistency", "FileSystem");
                    json.WriteNumber("readBytes", 1L << 30);
                    json.WriteNumber("storedBytes", 300L << 20);
                },
            }).ConfigureAwait(false);
            if (RecordsRemovals)
                await AddAsync(time.AddMinutes(20), new AuditEntry("point-removed")
                {
                    ApplianceId = id,
                    RestorePointId = point,
                    Sequence = n,
                    Reason = "Older than the point of 2026-01-01 00:00, which stands for day 2026-01-01.",
                }).ConfigureAwait(false);
            if (time < nextTest) continue;
            await TestAsync(point, n, nextTest).ConfigureAwait(false);
            nextTest = nextTest.AddDays(91);
        }
        for (int n = Kept - 1; n >= 0; n--)
            await repository.BackupAsync(new BackupRequest
            {
                Appliance = new ApplianceDescription
                {
                    ApplianceId = id,
                    Name = name,
                    HypervisorKind = "Qemu",
                    Disks = [new ApplianceDisk("data", DiskRole.Data, 65536)],
                },
                Disks = [new BackupDisk("data", DiskRole.Data, new MemoryDiskSource(new byte[65536]))],
                TimeUtc = nowUtc - TimeSpan.FromTicks(Interval.Ticks * n),
            }, null, null, default).ConfigureAwait(false);
        if (nextTest <= nowUtc)
        {
            end = await log.FindEndAsync(await log.ListAsync(default).ConfigureAwait(false),
                default).ConfigureAwait(false);
            await TestAsync(Id128.NewRandom().ToString(), Recorded, nextTest).ConfigureAwait(false);
        }

        async Task AddAsync(DateTime time, AuditEntry entry)
        {
            clock.Now = time;
            end = end.After(await log.AppendAsync(end, entry, seed, default).ConfigureAwait(false));
        }

        Task TestAsync(string point, long sequence, DateTime time) => AddAsync(time, new AuditEntry("restore-tested")
        {
            ApplianceId = id,
            RestorePointId = point,
            Sequence = sequence,
            Reason = "Passed",
            WriteData = json =>
            {
                json.WriteString("test", Id128.NewRandom().ToString());
                json.WriteString("name", name);
                json.WriteString("pointTimeUtc", time.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'"));
                json.WriteString("result", "Passed");
                json.WriteString("bench", "bench");
                json.WriteString("benchKind", "Qemu");
                json.WriteNumber("sizeBytes", 65536);
                json.WriteString("startedUtc", time.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'"));
                json.WriteNumber("durationTicks", TimeSpan.FromMinutes(20).Ticks);
                json.WriteNumber("restoreTicks", TimeSpan.FromMinutes(12).Ticks);
                json.WriteNumber("bootTicks", TimeSpan.FromMinutes(2).Ticks);
                json.WriteNumber("checksTicks", TimeSpan.FromMinutes(5).Ticks);
                json.WriteStartArray("checks");
                foreach (string check in new[] { "Restore", "Isolation", "Boot", "Integrity", "AuditLog", "CdrCount" })
                {
                    json.WriteStartObject();
                    json.WriteString("name", check);
                    json.WriteString("result", "Passed");
                    json.WriteNumber("ticks", 1000);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            },
        });
    }

    /// <summary>Tells the time that it was told.</summary>
    private sealed class Calendar : TimeProvider
    {
        internal DateTime Now { get; set; }

        public override DateTimeOffset GetUtcNow() => new(Now);
    }
}
