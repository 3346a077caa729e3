using System.Text;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Repositories;

/// <summary>What a repository knows of an appliance, read from the end of its log back.</summary>
public sealed class HistoryTests : IDisposable
{
    private static readonly string s_log = Layout.Log(Appliance.ApplianceId);

    private readonly FakeTimeProvider _clock = new(new DateTime(2026, 11, 1, 0, 0, 0, DateTimeKind.Utc));
    private readonly RepositoryFixture _fixture;
    private readonly List<NataliaException> _damage = [];

    public HistoryTests() => _fixture = new RepositoryFixture { Clock = _clock };

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task It_tells_of_what_was_made_verified_and_set_with_the_hashes_of_their_records()
    {
        using Repository repository = await MakeAsync(4);
        List<RestorePoint> points = [.. (await PointsAsync(repository)).OrderBy(p => p.TimeUtc)];
        await repository.VerifyRestorePointAsync(points[1], null, default);
        await repository.SetApplianceSettingsAsync(new ApplianceSettings
        {
            ApplianceId = Appliance.ApplianceId,
            Name = "natalia-paris",
            HypervisorKind = "Folder",
            Strategy = BackupStrategy.SixHourly,
        }, default);
        ApplianceHistory history = await ReadAsync(repository);
        Assert.Equal([.. points.Select(p => p.RestorePointId)],
            history.Made.OrderBy(m => m.TimeUtc).Select(m => m.RestorePointId));
        Assert.Equal(points[0].TimeUtc, history.FirstMadeUtc);
        Assert.Equal([points[1].RestorePointId], history.VerifiedUtc.Keys);
        Assert.Equal((BackupStrategy.SixHourly, "natalia-paris"), (history.Settings?.Strategy, history.Name));
        HashSet<string> hashes = [.. (await repository.GetAuditRecordsAsync(new AuditRecordFilter(), _damage.Add,
            default)).Select(r => r.RecordHash)];
        Assert.All(history.Made.Select(m => m.RecordHash).Concat(history.VerificationHashes.Values),
            h => Assert.Contains(h, hashes));
        Assert.Empty(_damage);
    }

    [Fact]
    public async Task A_record_that_was_changed_or_put_there_is_told_and_does_not_count()
    {
        using (Repository repository = await MakeAsync(5)) { }
        List<string> names = await NamesAsync();
        await ReplaceAsync(names[1], Edit(await ReadAsync(names[1]), null));
        // A record of somebody's own at the end, by another key: nobody names it.
        byte[] newest = await ReadAsync(names[4]);
        await ReplaceAsync(names[4], Edit(newest, new byte[32]));
        using Repository again = await _fixture.OpenAsync();
        ApplianceHistory history = await ReadAsync(again);
        Assert.Equal(3, history.Made.Count);
        Assert.Equal([names[1], names[4]], _damage.Select(d => d.Target).OrderBy(t => t, StringComparer.Ordinal));
        Assert.All(_damage, d => Assert.Equal(ErrorIds.AuditChainBroken, d.ErrorId));
    }

    [Fact]
    public async Task A_record_that_is_gone_from_the_middle_is_told_once()
    {
        using (Repository repository = await MakeAsync(5)) { }
        await _fixture.Store.DeleteAsync((await NamesAsync())[2], default);
        using Repository again = await _fixture.OpenAsync();
        Assert.Equal(4, (await ReadAsync(again)).Made.Count);
        Assert.Equal(ErrorIds.AuditChainBroken, Assert.Single(_damage).ErrorId);
    }

    [Fact]
    public async Task The_removal_of_one_of_two_points_with_one_sequence_says_nothing_of_the_other()
    {
        using Repository repository = await MakeAsync(3);
        List<RestorePoint> points = [.. (await PointsAsync(repository)).OrderBy(p => p.TimeUtc)];
        AuditLog log = repository.Core.ApplianceLog(Appliance.ApplianceId);
        foreach ((string id, long sequence, bool isLost) in new[]
        {
            (Id128.NewRandom().ToString(), points[0].Sequence!.Value, false),
            (points[1].RestorePointId, points[1].Sequence!.Value, true),
        })
            await log.AppendAsync(RemovalRecord.Entry(Appliance.ApplianceId, id, sequence, "a test", isLost, null, null,
                null), repository.Core.SigningSeed, default);
        Assert.Equal([(null, false), (_clock.GetUtcNow().UtcDateTime, true), (null, false)],
            (await ReadAsync(repository)).Made.OrderBy(m => m.TimeUtc).Select(m => (m.RemovedUtc, m.IsLost)));
    }

    [Fact]
    public async Task What_the_last_verified_point_was_is_read_however_long_it_is_gone()
    {
        using Repository repository = await MakeAsync(2);
        RestorePoint first = (await PointsAsync(repository)).OrderBy(p => p.TimeUtc).First();
        await repository.VerifyRestorePointAsync(first, null, default);
        await repository.RemoveRestorePointAsync(first, "a test", default);
        _clock.Advance(TimeSpan.FromDays(10));
        AuditLog log = repository.Core.ApplianceLog(Appliance.ApplianceId);
        for (int i = 0; i < 130; i++)
            await log.AppendAsync(new AuditEntry("point-protected") { ApplianceId = Appliance.ApplianceId },
                repository.Core.SigningSeed, default);
        _clock.Advance(TimeSpan.FromDays(10));
        ApplianceHistory history = await repository.ReadHistoryAsync(Appliance.ApplianceId,
            _clock.GetUtcNow().UtcDateTime, _damage.Add, default);
        Assert.NotNull(Assert.Single(history.Made, m => m.RestorePointId == first.RestorePointId).RemovedUtc);
        Assert.Empty(_damage);
    }

    [Fact]
    public async Task Only_what_no_genuine_record_names_needs_a_signature_of_its_own()
    {
        using (Repository repository = await MakeAsync(5)) { }
        List<string> names = await NamesAsync();
        foreach (string name in names)
        {
            byte[] bytes = await ReadAsync(name);
            byte[] header = SmallObject.Check(bytes, ObjectKind.AuditRecord).Header;
            await ReplaceAsync(name, Sign(bytes, header, new byte[64]));
            if (name != names[3]) continue;
            using Repository before = await _fixture.OpenAsync();
            // The last one is signed, and vouches for those before it.
            Assert.Equal(5, (await ReadAsync(before)).Made.Count);
            Assert.Empty(_damage);
        }
        using Repository after = await _fixture.OpenAsync();
        Assert.Empty((await ReadAsync(after)).Made);
        Assert.Equal(5, _damage.Count);
    }

    [Fact]
    public async Task What_is_older_than_the_time_is_not_read_but_restore_tests_and_the_last_verification_are()
    {
        using Repository maker = await _fixture.CreateAsync();
        await new Fleet { Appliances = 1, Recorded = 300, Kept = 1, Tests = 1, RecordsRemovals = false }.MakeAsync(
            maker, _fixture.Store, _clock.GetUtcNow().UtcDateTime.AddDays(40));
        int read = 0;
        var store = new HookStore(_fixture.Store)
        {
            Before = what =>
            {
                if (what.Contains(".point-made.")) Interlocked.Increment(ref read);
                return Task.CompletedTask;
            },
        };
        using Repository repository = await _fixture.OpenAsync(store);
        ApplianceHistory history = await repository.ReadHistoryAsync(Fleet.IdOf(0),
            _clock.GetUtcNow().UtcDateTime.AddDays(39), _damage.Add, default);
        // A batch, the one before it, and the first of all; a read may be in two parts.
        Assert.InRange(history.Made.Count, 128, 256);
        Assert.InRange(read, 128, 2 * 260);
        Assert.Single(history.Evidence);
    }

    private async Task<Repository> MakeAsync(int points)
    {
        Repository repository = await _fixture.CreateAsync();
        for (int i = 0; i < points; i++)
        {
            _clock.Advance(TimeSpan.FromHours(6));
            await BackupAsync(repository, Disk(70_000, i), time: _clock.GetUtcNow().UtcDateTime);
        }
        return repository;
    }

    private Task<ApplianceHistory> ReadAsync(Repository repository) =>
        repository.ReadHistoryAsync(Appliance.ApplianceId, new DateTime(2026, 11, 1, 0, 0, 0, DateTimeKind.Utc),
            _damage.Add, default);

    private Task<byte[]> ReadAsync(string name) => _fixture.Store.ReadAllAsync(name, default);

    private async Task<List<string>> NamesAsync()
    {
        List<string> names = [];
        await foreach (StoredObject one in _fixture.Store.ListAsync(s_log, default)) names.Add(one.Name);
        return names;
    }

    private async Task ReplaceAsync(string name, byte[] bytes)
    {
        await _fixture.Store.DeleteAsync(name, default);
        await _fixture.Store.PutAsync(name, new ObjectContent(bytes), PutOptions.Metadata, default);
    }

    /// <summary>Another actor, with a mended checksum, and signed by a key or as it was.</summary>
    private static byte[] Edit(byte[] bytes, byte[]? seed)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.AuditRecord);
        byte[] header = Encoding.UTF8.GetBytes(
            Encoding.UTF8.GetString(envelope.Header).Replace("\"actor\":\"", "\"actor\":\"x"));
        return Sign(bytes, header, seed is null
            ? SmallObject.OpenSegment(bytes, envelope, 0, ObjectKeys.None)
            : Signing.Sign(seed, [.. Encoding.ASCII.GetBytes("natalia audit record 1\n"), .. header]));
    }

    private static byte[] Sign(byte[] bytes, byte[] header, byte[] signature) =>
        SmallObject.Encode(ObjectKind.AuditRecord, SmallObject.Check(bytes, ObjectKind.AuditRecord).Id, header,
            [signature], ObjectKeys.None, compress: false).Bytes;
}
