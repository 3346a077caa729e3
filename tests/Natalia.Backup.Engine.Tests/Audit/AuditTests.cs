using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Verification;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryBench;

namespace Natalia.Backup.Engine.Tests.Audit;

public sealed class AuditTests
{
    private static readonly string s_log = Layout.Log(Appliance.ApplianceId);

    [Fact]
    public async Task An_untouched_log_is_intact_and_its_key_is_evidence_only_for_who_kept_it()
    {
        using RepositoryBench bench = await MakeAsync();
        IReadOnlyList<CheckResult> results = await VerifyAsync(bench);
        Assert.Equal(["AuditKey", "AuditLog", "AuditLog"], results.Select(r => r.Name));
        Assert.Equal([CheckOutcome.NotEvidenced, CheckOutcome.Passed, CheckOutcome.Passed],
            results.Select(r => r.Result));
        Assert.Equal(Appliance.ApplianceId, results[2].ApplianceId);

        string key = results[0].Actual!;
        Assert.Equal(CheckOutcome.Passed,
            (await VerifyAsync(bench, new AuditExpectations { Fingerprint = key.ToUpperInvariant() }))[0].Result);
        CheckResult other = (await VerifyAsync(bench, new AuditExpectations { Fingerprint = new string('0', 64) }))[0];
        Assert.Equal((CheckOutcome.Failed, ErrorIds.AuditChainBroken), (other.Result, other.ErrorId));
        using Repository open = await bench.OpenAsync();
        Assert.Equal(CheckOutcome.Passed, (await open.VerifyAuditAsync(new AuditExpectations(), default))[0].Result);
    }

    [Theory]
    [InlineData("log/", 0)]
    [InlineData(null, 0)]
    [InlineData(null, 2)]
    [InlineData(null, -1)]
    public async Task A_changed_byte_anywhere_in_a_record_is_an_edit(string? log, int index)
    {
        using RepositoryBench bench = await MakeAsync();
        string name = await NameAsync(bench, index, log);
        byte[] good = await bench.Store.ReadAllAsync(name, default);
        for (int at = 0; at < good.Length; at += 37)
        {
            byte[] bad = (byte[])good.Clone();
            bad[at] ^= 1;
            await ReplaceAsync(bench, name, bad);
            await AssertBreakAsync(bench, "edited", name, log);
        }
        await ReplaceAsync(bench, name, good.AsSpan(0, 20).ToArray());
        await AssertBreakAsync(bench, "edited", name, log);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(-1)]
    public async Task A_changed_text_with_a_mended_checksum_is_an_edit(int index)
    {
        using RepositoryBench bench = await MakeAsync();
        string name = await NameAsync(bench, index);
        await ReplaceAsync(bench, name,
            Rewrite(await bench.Store.ReadAllAsync(name, default), "\"actor\":\"", "\"actor\":\"nobody-", null));
        await AssertBreakAsync(bench, "edited", name);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    public async Task A_record_that_is_gone_is_a_removal(int index)
    {
        using RepositoryBench bench = await MakeAsync();
        string name = await NameAsync(bench, index);
        await bench.Store.DeleteAsync(name, default);
        CheckResult found = await AssertBreakAsync(bench, "removed", null);
        Assert.Contains(await NameAsync(bench, index), found.Detail);
    }

    [Fact]
    public async Task The_beginning_that_is_gone_is_a_removal_even_when_a_shorter_log_would_be_possible()
    {
        using RepositoryBench bench = await MakeAsync();
        string made = await NameAsync(bench, 0, "log/");
        await bench.Store.DeleteAsync(made, default);
        await AssertBreakAsync(bench, "cut", null, "log/");
        using (Repository repository = await bench.OpenAsync())
            await repository.SetRetentionPolicyAsync(null, null, RetentionPolicy.For(BackupStrategy.Daily), default);
        await AssertBreakAsync(bench, "removed", null, "log/");
    }

    [Fact]
    public async Task An_end_that_is_gone_is_seen_up_to_the_last_anchor()
    {
        using RepositoryBench bench = await MakeAsync();
        List<string> names = await NamesAsync(bench);
        string newest = (await NewestAsync(bench)).RecordHash;
        // The newest point's own record is named by no manifest yet: that it lacks is worth a look, not a verdict.
        await bench.Store.DeleteAsync(names[^1], default);
        CheckResult warned = Log(await VerifyAsync(bench), null);
        Assert.Equal(CheckOutcome.Warning, warned.Result);
        Assert.Contains("cut off", warned.Detail);
        CheckResult head = (await VerifyAsync(bench, new AuditExpectations { Heads = [newest] }))[^1];
        Assert.Equal(("AuditHead", CheckOutcome.Failed, "cut", ErrorIds.AuditChainBroken),
            (head.Name, head.Result, head.Actual, head.ErrorId));

        await bench.Store.DeleteAsync(names[^2], default);
        CheckResult cut = await AssertBreakAsync(bench, "cut", null);
        Assert.Contains("/points/", cut.Detail);
        foreach (string name in names.SkipLast(2)) await bench.Store.DeleteAsync(name, default);
        await AssertBreakAsync(bench, "cut", null);
    }

    [Fact]
    public async Task A_cut_stays_visible_when_the_log_goes_on()
    {
        using RepositoryBench bench = await MakeAsync();
        foreach (string name in (await NamesAsync(bench)).TakeLast(3)) await bench.Store.DeleteAsync(name, default);
        using (Repository repository = await bench.OpenAsync()) await BackupAsync(repository, Disk(100_000, 77));
        await AssertBreakAsync(bench, "cut", null);
    }

    [Fact]
    public async Task Two_records_whose_names_were_exchanged_are_reordered()
    {
        using RepositoryBench bench = await MakeAsync();
        string one = await NameAsync(bench, 2), other = await NameAsync(bench, 4);
        byte[] first = await bench.Store.ReadAllAsync(one, default),
            second = await bench.Store.ReadAllAsync(other, default);
        await ReplaceAsync(bench, one, second);
        await ReplaceAsync(bench, other, first);
        await AssertBreakAsync(bench, "reordered", null);
    }

    [Fact]
    public async Task A_record_under_another_number_is_reordered_and_one_under_two_names_is_inserted()
    {
        using RepositoryBench bench = await MakeAsync();
        string name = await NameAsync(bench, 3);
        byte[] bytes = await bench.Store.ReadAllAsync(name, default);
        string moved = name.Replace("/log/000000000004.", "/log/000000000002.");
        Assert.NotEqual(name, moved);
        await PutAsync(bench, moved, bytes);
        await AssertBreakAsync(bench, "inserted", moved);
        await bench.Store.DeleteAsync(name, default);
        await AssertBreakAsync(bench, "reordered", moved);
    }

    [Fact]
    public async Task Records_of_another_repository_or_another_log_are_insertions()
    {
        using RepositoryBench bench = await MakeAsync(), theirs = await MakeAsync();
        foreach (int index in new[] { 0, 2, -1 })
        {
            string foreign = await NameAsync(theirs, index);
            await PutAsync(bench, foreign, await theirs.Store.ReadAllAsync(foreign, default));
            await AssertBreakAsync(bench, "inserted", foreign);
            await bench.Store.DeleteAsync(foreign, default);
        }
        string own = await NameAsync(bench, 0, "log/");
        await PutAsync(bench, s_log + Layout.FileName(own), await bench.Store.ReadAllAsync(own, default));
        await AssertBreakAsync(bench, "inserted", s_log + Layout.FileName(own));
        await bench.Store.DeleteAsync(s_log + Layout.FileName(own), default);
        await PutAsync(bench, s_log + "letter", [1, 2, 3]);
        await AssertBreakAsync(bench, "inserted", s_log + "letter");
    }

    [Fact]
    public async Task A_record_that_was_signed_long_afterwards_and_put_into_the_middle_is_an_insertion()
    {
        using RepositoryBench bench = await MakeAsync(password: null);
        string before = await NameAsync(bench, 1), beside = await NameAsync(bench, 2);
        string head = Hash256.Of(Envelope.Parse(await bench.Store.ReadAllAsync(before, default)).Header).ToString();
        byte[] seed = await SeedAsync(bench);
        // Whoever has the key can sign; what the others did not see, although it claims to have been there, gives it
        // away.
        byte[] model = await bench.Store.ReadAllAsync(beside, default);
        byte[] forged = Rewrite(model, "\"actor\":\"", "\"actor\":\"forger-", seed);
        string name = $"{s_log}{Layout.FileName(beside)[..^32]}{Envelope.Parse(forged).Id}";
        await PutAsync(bench, name, forged);
        Assert.Contains(head, System.Text.Encoding.UTF8.GetString(forged));
        await AssertBreakAsync(bench, "inserted", name);
    }

    [Fact]
    public async Task Numbers_that_run_backwards_are_reordered_although_they_are_signed()
    {
        using RepositoryBench bench = await MakeAsync(password: null);
        byte[] seed = await SeedAsync(bench);
        List<string> names = await NamesAsync(bench);
        byte[] last = await bench.Store.ReadAllAsync(names[^1], default);
        byte[] forged = Rewrite(last, $"\"number\":{names.Count},", "\"number\":3,", seed);
        await bench.Store.DeleteAsync(names[^1], default);
        await PutAsync(bench, $"{s_log}000000000003.{Layout.FileName(names[^1])[13..^32]}{Envelope.Parse(forged).Id}",
            forged);
        await AssertBreakAsync(bench, "reordered", null);
    }

    [Fact]
    public async Task Two_writers_at_once_are_no_break_before_and_after_a_third_one_joins_them()
    {
        using RepositoryBench bench = await MakeAsync();
        using (Repository repository = await bench.OpenAsync())
        {
            byte[] seed = await SeedAsync(bench);
            var slow = new HeldStore(bench.Store);
            var settings = RepositorySettings.Decode(await bench.Store.ReadAllAsync(Layout.Settings, default), "test");
            var late = new AuditLog(slow, RepositoryBench.Appliance.ApplianceId, settings.AuditKey, bench.Clock);
            Task<string> writing =
                late.AppendAsync(new AuditEntry(AuditEvents.PointProtected) { ApplianceId = Appliance.ApplianceId },
                seed, default);
            await slow.Reached;
            await repository.SetRetentionPolicyAsync(Appliance.ApplianceId, Appliance.Name,
                RetentionPolicy.For(BackupStrategy.Daily), default);
            await repository.SetRetentionPolicyAsync(Appliance.ApplianceId, Appliance.Name, null, default);
            slow.Release();
            await writing;
            CheckResult fork = Log(await VerifyAsync(bench), null);
            Assert.True(fork.Result == CheckOutcome.Passed, fork.Detail);
            Assert.Equal(2, fork.Detail!.Split("newest: ")[1].Split(", ").Length);
            await BackupAsync(repository, Disk(100_000, 5));
        }
        CheckResult joined = Log(await VerifyAsync(bench), null);
        Assert.True(joined.Result == CheckOutcome.Passed, joined.Detail);
        Assert.Single(joined.Detail!.Split("newest: ")[1].Split(", "));
    }

    [Fact]
    public async Task A_copy_of_the_settings_and_the_logs_is_enough()
    {
        using RepositoryBench bench = await MakeAsync();
        using var copy = new MemoryStore();
        foreach (StoredObject item in await bench.Store.ListAllAsync("", default))
        {
            if (item.Name == Layout.Settings || item.Name.Contains("log/"))
                await copy.PutAsync(item.Name, new ObjectContent(await bench.Store.ReadAllAsync(item.Name, default)),
                    PutOptions.Metadata, default);
        }
        IReadOnlyList<CheckResult> results = await AuditVerification.ExecuteAsync(copy,
            new AuditExpectations { Heads = [(await NewestAsync(bench)).RecordHash] }, default);
        // The fourth says that of the other log nobody noted where it ended.
        Assert.Equal([CheckOutcome.NotEvidenced, CheckOutcome.Passed, CheckOutcome.Passed, CheckOutcome.NotEvidenced,
            CheckOutcome.Passed],
            results.Select(r => r.Result));
    }

    [Fact]
    public async Task Records_are_listed_newest_first_with_names_and_what_is_damaged_is_told()
    {
        using RepositoryBench bench = await MakeAsync();
        using Repository audit = await Repository.OpenAsync(new FaultStore(bench.Store), null, bench.Options, default);
        var damage = new List<NataliaException>();
        IReadOnlyList<AuditRecord> all = await audit.GetAuditRecordsAsync(new AuditRecordFilter(), damage.Add, default);
        Assert.Empty(damage);
        Assert.Equal(all.OrderByDescending(r => r.TimeUtc).Select(r => r.RecordHash), all.Select(r => r.RecordHash));
        Assert.Equal(AuditEvents.RepositoryCreated, all[^1].Event);
        Assert.Null(all[^1].ApplianceName);
        Assert.Equal(("natalia-paris", "bench", audit.RepositoryId),
            (all[0].ApplianceName, all[0].Repository, all[0].RepositoryId));
        Assert.Equal(all.Take(3).Select(r => r.RecordHash),
            (await audit.GetAuditRecordsAsync(new AuditRecordFilter { AfterUtc = all[2].TimeUtc }, damage.Add, default))
                .Select(r => r.RecordHash));
        Assert.Equal(all[^1],
            Assert.Single(await audit.GetAuditRecordsAsync(new AuditRecordFilter { BeforeUtc = all[^1].TimeUtc },
                damage.Add, default)) with
            { Heads = all[^1].Heads });
        Assert.DoesNotContain(
            await audit.GetAuditRecordsAsync(new AuditRecordFilter { ApplianceIds = [Appliance.ApplianceId] },
            damage.Add, default),
            r => r.ApplianceId is null);

        string name = await NameAsync(bench, 1);
        await ReplaceAsync(bench, name, [1]);
        Assert.Equal(all.Count - 1,
            (await audit.GetAuditRecordsAsync(new AuditRecordFilter(), damage.Add, default)).Count);
        Assert.Equal((ErrorIds.AuditChainBroken, name), (Assert.Single(damage).ErrorId, damage[0].Target));
    }

    /// <summary>A repository with seven records of one appliance, a day apart.</summary>
    private static async Task<RepositoryBench> MakeAsync(string? password = "p")
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 1, 12, 0, 0, TimeSpan.Zero));
        var bench = new RepositoryBench { Password = password, Clock = clock };
        using Repository repository = await bench.CreateAsync();
        clock.Advance(TimeSpan.FromMinutes(1));
        await repository.SetApplianceSettingsAsync(new ApplianceSettings
        {
            ApplianceId = Appliance.ApplianceId,
            Name = Appliance.Name,
            HypervisorKind = "Folder",
        }, default);
        for (int i = 0; i < 3; i++)
        {
            clock.Advance(TimeSpan.FromDays(1));
            RestorePoint point = await BackupAsync(repository, Disk(100_000, i), time: clock.GetUtcNow().UtcDateTime);
            clock.Advance(TimeSpan.FromHours(2));
            if (i > 0) continue;
            await repository.SetProtectionAsync(point, isProtected: true, "a test", default);
            await repository.SetProtectionAsync(point, isProtected: false, "a test", default);
        }
        clock.Advance(TimeSpan.FromDays(1));
        await repository.SetRetentionPolicyAsync(Appliance.ApplianceId, Appliance.Name,
            RetentionPolicy.For(BackupStrategy.Daily), default);
        clock.Advance(TimeSpan.FromDays(1));
        await BackupAsync(repository, Disk(100_000, 9), time: clock.GetUtcNow().UtcDateTime);
        return bench;
    }

    private static Task<IReadOnlyList<CheckResult>> VerifyAsync(RepositoryBench bench,
        AuditExpectations? expectations = null) =>
        AuditVerification.ExecuteAsync(bench.Store, expectations ?? new AuditExpectations(), default);

    private static CheckResult Log(IReadOnlyList<CheckResult> results, string? log) =>
        results.Single(r => r.Name == "AuditLog" && r.Target == (log ?? s_log));

    /// <summary>One log is broken in this way, and the other one is intact.</summary>
    private static async Task<CheckResult> AssertBreakAsync(RepositoryBench bench, string kind, string? mentioned,
        string? log = null)
    {
        IReadOnlyList<CheckResult> results = await VerifyAsync(bench);
        CheckResult found = Log(results, log);
        Assert.True(found.Result == CheckOutcome.Failed && found.Actual == kind,
            $"{found.Result} {found.Actual}: {found.Detail}");
        Assert.Equal(ErrorIds.AuditChainBroken, found.ErrorId);
        if (mentioned is not null) Assert.Contains(mentioned, found.Detail);
        Assert.Single(results, r => r.Result == CheckOutcome.Failed);
        return found;
    }

    private static async Task<List<string>> NamesAsync(RepositoryBench bench, string? log = null) =>
        [.. (await bench.Store.ListAllAsync(log ?? s_log, default)).Select(o => o.Name)];

    private static async Task<string> NameAsync(RepositoryBench bench, int index, string? log = null)
    {
        List<string> names = await NamesAsync(bench, log);
        return names[index < 0 ? names.Count + index : index];
    }

    private static async Task<AuditRecord> NewestAsync(RepositoryBench bench)
    {
        using Repository repository = await bench.OpenAsync();
        return (await repository.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e, default))[0];
    }

    private static async Task<byte[]> SeedAsync(RepositoryBench bench)
    {
        Hash256 settings = Hash256.Of(await bench.Store.ReadAllAsync(Layout.Settings, default));
        using RepositorySecrets secrets =
            KeySlot.TryOpen(
                await bench.Store.ReadAllAsync((await bench.Store.ListAllAsync(Layout.Keys, default))[0].Name,
            default),
            Secret(bench.Password), settings)!;
        return (byte[])secrets.SigningSeed.Clone();
    }

    /// <summary>
    /// The record with a changed text and a right checksum: signed again with a key and a new id, or with the old
    /// signature and id.
    /// </summary>
    private static byte[] Rewrite(byte[] bytes, string from, string to, byte[]? seed)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.AuditRecord);
        string text = System.Text.Encoding.UTF8.GetString(envelope.Header);
        Assert.Contains(from, text);
        byte[] header = System.Text.Encoding.UTF8.GetBytes(text.Replace(from, to));
        byte[] signature = seed is null
            ? SmallObject.OpenSegment(bytes, envelope, 0, ObjectKeys.None)
            : Signing.Sign(seed, [.. "natalia audit record 1\n"u8, .. header]);
        return SmallObject.Encode(ObjectKind.AuditRecord, seed is null ? envelope.Id : Id128.NewRandom(), header,
            [signature], ObjectKeys.None, compress: false).Bytes;
    }

    private static Task PutAsync(RepositoryBench bench, string name, byte[] bytes) =>
        bench.Store.PutAsync(name, new ObjectContent(bytes), PutOptions.Metadata, default);

    private static async Task ReplaceAsync(RepositoryBench bench, string name, byte[] bytes)
    {
        await bench.Store.DeleteAsync(name, default);
        await PutAsync(bench, name, bytes);
    }

    /// <summary>Holds the first put until it is released.</summary>
    private sealed class HeldStore(IObjectStore inner) : IObjectStore
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously),
            _release = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Task Reached => _reached.Task;
        public string Location => inner.Location;
        public string Kind => inner.Kind;
        public bool HasExclusiveCreate => inner.HasExclusiveCreate;
        public IObjectLock? ObjectLock => inner.ObjectLock;

        internal void Release() => _release.TrySetResult();

        public async Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            _reached.TrySetResult();
            await _release.Task;
            await inner.PutAsync(name, content, options, cancellationToken);
        }

        public Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
            CancellationToken cancellationToken) =>
            inner.ReadAsync(name, offset, buffer, cancellationToken);
        public Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken) =>
            inner.OpenReadAsync(name, cancellationToken);
        public Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken) =>
            inner.StatAsync(name, cancellationToken);
        public IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
            CancellationToken cancellationToken) =>
            inner.ListAsync(prefix, after, cancellationToken);
        public Task DeleteAsync(string name, CancellationToken cancellationToken) =>
            inner.DeleteAsync(name, cancellationToken);
        public Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);
        public Task<int> SweepAsync(TimeSpan olderThan, CancellationToken cancellationToken) =>
            inner.SweepAsync(olderThan, cancellationToken);
        public void Dispose() { }
    }
}
