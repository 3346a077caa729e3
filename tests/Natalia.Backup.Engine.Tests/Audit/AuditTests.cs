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
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Audit;

public sealed class AuditTests
{
    private static readonly string s_log = Layout.Log(Appliance.ApplianceId);

    [Fact]
    public async Task An_untouched_log_is_intact_and_its_key_is_evidence_only_for_who_kept_it()
    {
        using RepositoryFixture fixture = await MakeAsync();
        IReadOnlyList<CheckResult> results = await VerifyAsync(fixture);
        Assert.Equal(["AuditKey", "AuditLog", "AuditLog"], results.Select(r => r.Name));
        Assert.Equal([CheckOutcome.NotEvidenced, CheckOutcome.Passed, CheckOutcome.Passed],
            results.Select(r => r.Result));
        Assert.Equal(Appliance.ApplianceId, results[2].ApplianceId);

        string key = results[0].Actual!;
        Assert.Equal(CheckOutcome.Passed,
            (await VerifyAsync(fixture, new AuditExpectations { Fingerprint = key.ToUpperInvariant() }))[0].Result);
        CheckResult other =
            (await VerifyAsync(fixture, new AuditExpectations { Fingerprint = new string('0', 64) }))[0];
        Assert.Equal((CheckOutcome.Failed, ErrorIds.AuditChainBroken), (other.Result, other.ErrorId));
        using Repository open = await fixture.OpenAsync();
        Assert.Equal(CheckOutcome.Passed, (await open.VerifyAuditAsync(new AuditExpectations(), default))[0].Result);
    }

    [Theory]
    [InlineData("log/", 0)]
    [InlineData(null, 0)]
    [InlineData(null, 2)]
    [InlineData(null, -1)]
    public async Task A_changed_byte_anywhere_in_a_record_is_an_edit(string? log, int index)
    {
        using RepositoryFixture fixture = await MakeAsync();
        string name = await NameAsync(fixture, index, log);
        byte[] good = await fixture.Store.ReadAllAsync(name, default);
        for (int at = 0; at < good.Length; at += 37)
        {
            byte[] bad = (byte[])good.Clone();
            bad[at] ^= 1;
            await ReplaceAsync(fixture, name, bad);
            await AssertBreakAsync(fixture, "edited", name, log);
        }
        await ReplaceAsync(fixture, name, good.AsSpan(0, 20).ToArray());
        await AssertBreakAsync(fixture, "edited", name, log);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(-1)]
    public async Task A_changed_text_with_a_mended_checksum_is_an_edit(int index)
    {
        using RepositoryFixture fixture = await MakeAsync();
        string name = await NameAsync(fixture, index);
        await ReplaceAsync(fixture, name,
            Rewrite(await fixture.Store.ReadAllAsync(name, default), "\"actor\":\"", "\"actor\":\"nobody-", null));
        await AssertBreakAsync(fixture, "edited", name);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    public async Task A_record_that_is_gone_is_a_removal(int index)
    {
        using RepositoryFixture fixture = await MakeAsync();
        string name = await NameAsync(fixture, index);
        await fixture.Store.DeleteAsync(name, default);
        CheckResult found = await AssertBreakAsync(fixture, "removed", null);
        Assert.Contains(await NameAsync(fixture, index), found.Detail);
    }

    [Fact]
    public async Task The_beginning_that_is_gone_is_a_removal_even_when_a_shorter_log_would_be_possible()
    {
        using RepositoryFixture fixture = await MakeAsync();
        string made = await NameAsync(fixture, 0, "log/");
        await fixture.Store.DeleteAsync(made, default);
        await AssertBreakAsync(fixture, "cut", null, "log/");
        using (Repository repository = await fixture.OpenAsync())
            await repository.SetRetentionPolicyAsync(null, null, RetentionPolicy.For(BackupStrategy.Daily), default);
        await AssertBreakAsync(fixture, "removed", null, "log/");
    }

    [Fact]
    public async Task An_end_that_is_gone_is_seen_up_to_the_last_anchor()
    {
        using RepositoryFixture fixture = await MakeAsync();
        List<string> names = await NamesAsync(fixture);
        string newest = (await NewestAsync(fixture)).RecordHash;
        // The newest point's own record is named by no manifest yet: that it lacks is worth a look, not a verdict.
        await fixture.Store.DeleteAsync(names[^1], default);
        CheckResult warned = Log(await VerifyAsync(fixture), null);
        Assert.Equal(CheckOutcome.Warning, warned.Result);
        Assert.Contains("cut off", warned.Detail);
        CheckResult head = (await VerifyAsync(fixture, new AuditExpectations { Heads = [newest] }))[^1];
        Assert.Equal(("AuditHead", CheckOutcome.Failed, "cut", ErrorIds.AuditChainBroken),
            (head.Name, head.Result, head.Actual, head.ErrorId));

        await fixture.Store.DeleteAsync(names[^2], default);
        CheckResult cut = await AssertBreakAsync(fixture, "cut", null);
        Assert.Contains("/points/", cut.Detail);
        foreach (string name in names.SkipLast(2)) await fixture.Store.DeleteAsync(name, default);
        await AssertBreakAsync(fixture, "cut", null);
    }

    [Fact]
    public async Task A_cut_stays_visible_when_the_log_goes_on()
    {
        using RepositoryFixture fixture = await MakeAsync();
        foreach (string name in (await NamesAsync(fixture)).TakeLast(3)) await fixture.Store.DeleteAsync(name, default);
        using (Repository repository = await fixture.OpenAsync()) await BackupAsync(repository, Disk(100_000, 77));
        await AssertBreakAsync(fixture, "cut", null);
    }

    [Fact]
    public async Task Two_records_whose_names_were_exchanged_are_reordered()
    {
        using RepositoryFixture fixture = await MakeAsync();
        string one = await NameAsync(fixture, 2), other = await NameAsync(fixture, 4);
        byte[] first = await fixture.Store.ReadAllAsync(one, default),
            second = await fixture.Store.ReadAllAsync(other, default);
        await ReplaceAsync(fixture, one, second);
        await ReplaceAsync(fixture, other, first);
        await AssertBreakAsync(fixture, "reordered", null);
    }

    [Fact]
    public async Task A_record_under_another_number_is_reordered_and_one_under_two_names_is_inserted()
    {
        using RepositoryFixture fixture = await MakeAsync();
        string name = await NameAsync(fixture, 3);
        byte[] bytes = await fixture.Store.ReadAllAsync(name, default);
        string moved = name.Replace("/log/000000000004.", "/log/000000000002.");
        Assert.NotEqual(name, moved);
        await PutAsync(fixture, moved, bytes);
        await AssertBreakAsync(fixture, "inserted", moved);
        await fixture.Store.DeleteAsync(name, default);
        await AssertBreakAsync(fixture, "reordered", moved);
    }

    [Fact]
    public async Task Records_of_another_repository_or_another_log_are_insertions()
    {
        using RepositoryFixture fixture = await MakeAsync(), theirs = await MakeAsync();
        foreach (int index in new[] { 0, 2, -1 })
        {
            string foreign = await NameAsync(theirs, index);
            await PutAsync(fixture, foreign, await theirs.Store.ReadAllAsync(foreign, default));
            await AssertBreakAsync(fixture, "inserted", foreign);
            await fixture.Store.DeleteAsync(foreign, default);
        }
        string own = await NameAsync(fixture, 0, "log/");
        await PutAsync(fixture, s_log + Layout.FileName(own), await fixture.Store.ReadAllAsync(own, default));
        await AssertBreakAsync(fixture, "inserted", s_log + Layout.FileName(own));
        await fixture.Store.DeleteAsync(s_log + Layout.FileName(own), default);
        await PutAsync(fixture, s_log + "letter", [1, 2, 3]);
        await AssertBreakAsync(fixture, "inserted", s_log + "letter");
    }

    [Fact]
    public async Task A_record_that_was_signed_long_afterwards_and_put_into_the_middle_is_an_insertion()
    {
        using RepositoryFixture fixture = await MakeAsync(password: null);
        string before = await NameAsync(fixture, 1), beside = await NameAsync(fixture, 2);
        string head = Hash256.Of(Envelope.Parse(await fixture.Store.ReadAllAsync(before, default)).Header).ToString();
        byte[] seed = await SeedAsync(fixture);
        // Whoever has the key can sign; what the others did not see, although it claims to have been there, gives it
        // away.
        byte[] model = await fixture.Store.ReadAllAsync(beside, default);
        byte[] forged = Rewrite(model, "\"actor\":\"", "\"actor\":\"forger-", seed);
        string name = $"{s_log}{Layout.FileName(beside)[..^32]}{Envelope.Parse(forged).Id}";
        await PutAsync(fixture, name, forged);
        Assert.Contains(head, System.Text.Encoding.UTF8.GetString(forged));
        await AssertBreakAsync(fixture, "inserted", name);
    }

    [Fact]
    public async Task Numbers_that_run_backwards_are_reordered_although_they_are_signed()
    {
        using RepositoryFixture fixture = await MakeAsync(password: null);
        byte[] seed = await SeedAsync(fixture);
        List<string> names = await NamesAsync(fixture);
        byte[] last = await fixture.Store.ReadAllAsync(names[^1], default);
        byte[] forged = Rewrite(last, $"\"number\":{names.Count},", "\"number\":3,", seed);
        await fixture.Store.DeleteAsync(names[^1], default);
        await PutAsync(fixture, $"{s_log}000000000003.{Layout.FileName(names[^1])[13..^32]}{Envelope.Parse(forged).Id}",
            forged);
        await AssertBreakAsync(fixture, "reordered", null);
    }

    [Fact]
    public async Task Two_writers_at_once_are_no_break_before_and_after_a_third_one_joins_them()
    {
        using RepositoryFixture fixture = await MakeAsync();
        using (Repository repository = await fixture.OpenAsync())
        {
            byte[] seed = await SeedAsync(fixture);
            var slow = new HeldStore(fixture.Store);
            var settings =
                RepositorySettings.Decode(await fixture.Store.ReadAllAsync(Layout.Settings, default), "test");
            var late = new AuditLog(slow, RepositoryFixture.Appliance.ApplianceId, settings.AuditKey, fixture.Clock);
            Task<string> writing =
                late.AppendAsync(new AuditEntry(AuditEvents.PointProtected) { ApplianceId = Appliance.ApplianceId },
                seed, default);
            await slow.Reached;
            await repository.SetRetentionPolicyAsync(Appliance.ApplianceId, Appliance.Name,
                RetentionPolicy.For(BackupStrategy.Daily), default);
            await repository.SetRetentionPolicyAsync(Appliance.ApplianceId, Appliance.Name, null, default);
            slow.Release();
            await writing;
            CheckResult fork = Log(await VerifyAsync(fixture), null);
            Assert.True(fork.Result == CheckOutcome.Passed, fork.Detail);
            Assert.Equal(2, fork.Detail!.Split("newest: ")[1].Split(", ").Length);
            await BackupAsync(repository, Disk(100_000, 5));
        }
        CheckResult joined = Log(await VerifyAsync(fixture), null);
        Assert.True(joined.Result == CheckOutcome.Passed, joined.Detail);
        Assert.Single(joined.Detail!.Split("newest: ")[1].Split(", "));
    }

    [Fact]
    public async Task A_copy_of_the_settings_and_the_logs_is_enough()
    {
        using RepositoryFixture fixture = await MakeAsync();
        using var copy = new MemoryStore();
        foreach (StoredObject item in await fixture.Store.ListAllAsync("", default))
        {
            if (item.Name == Layout.Settings || item.Name.Contains("log/"))
                await copy.PutAsync(item.Name, new ObjectContent(await fixture.Store.ReadAllAsync(item.Name, default)),
                    PutOptions.Metadata, default);
        }
        IReadOnlyList<CheckResult> results = await AuditVerification.ExecuteAsync(copy,
            new AuditExpectations { Heads = [(await NewestAsync(fixture)).RecordHash] }, default);
        // The fourth says that of the other log nobody noted where it ended.
        Assert.Equal([CheckOutcome.NotEvidenced, CheckOutcome.Passed, CheckOutcome.Passed, CheckOutcome.NotEvidenced,
            CheckOutcome.Passed],
            results.Select(r => r.Result));
    }

    [Fact]
    public async Task Records_are_listed_newest_first_with_names_and_what_is_damaged_is_told()
    {
        using RepositoryFixture fixture = await MakeAsync();
        using Repository audit =
            await Repository.OpenAsync(new FaultStore(fixture.Store), null, fixture.Options, default);
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

        string name = await NameAsync(fixture, 1);
        await ReplaceAsync(fixture, name, [1]);
        Assert.Equal(all.Count - 1,
            (await audit.GetAuditRecordsAsync(new AuditRecordFilter(), damage.Add, default)).Count);
        Assert.Equal((ErrorIds.AuditChainBroken, name), (Assert.Single(damage).ErrorId, damage[0].Target));
    }

    /// <summary>A repository with seven records of one appliance, a day apart.</summary>
    private static async Task<RepositoryFixture> MakeAsync(string? password = "p")
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 1, 12, 0, 0, TimeSpan.Zero));
        var fixture = new RepositoryFixture { Password = password, Clock = clock };
        using Repository repository = await fixture.CreateAsync();
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
        return fixture;
    }

    private static Task<IReadOnlyList<CheckResult>> VerifyAsync(RepositoryFixture fixture,
        AuditExpectations? expectations = null) =>
        AuditVerification.ExecuteAsync(fixture.Store, expectations ?? new AuditExpectations(), default);

    private static CheckResult Log(IReadOnlyList<CheckResult> results, string? log) =>
        results.Single(r => r.Name == "AuditLog" && r.Target == (log ?? s_log));

    /// <summary>One log is broken in this way, and the other one is intact.</summary>
    private static async Task<CheckResult> AssertBreakAsync(RepositoryFixture fixture, string kind, string? mentioned,
        string? log = null)
    {
        IReadOnlyList<CheckResult> results = await VerifyAsync(fixture);
        CheckResult found = Log(results, log);
        Assert.True(found.Result == CheckOutcome.Failed && found.Actual == kind,
            $"{found.Result} {found.Actual}: {found.Detail}");
        Assert.Equal(ErrorIds.AuditChainBroken, found.ErrorId);
        if (mentioned is not null) Assert.Contains(mentioned, found.Detail);
        Assert.Single(results, r => r.Result == CheckOutcome.Failed);
        return found;
    }

    private static async Task<List<string>> NamesAsync(RepositoryFixture fixture, string? log = null) =>
        [.. (await fixture.Store.ListAllAsync(log ?? s_log, default)).Select(o => o.Name)];

    private static async Task<string> NameAsync(RepositoryFixture fixture, int index, string? log = null)
    {
        List<string> names = await NamesAsync(fixture, log);
        return names[index < 0 ? names.Count + index : index];
    }

    private static async Task<AuditRecord> NewestAsync(RepositoryFixture fixture)
    {
        using Repository repository = await fixture.OpenAsync();
        return (await repository.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e, default))[0];
    }

    private static async Task<byte[]> SeedAsync(RepositoryFixture fixture)
    {
        Hash256 settings = Hash256.Of(await fixture.Store.ReadAllAsync(Layout.Settings, default));
        using RepositorySecrets secrets =
            KeySlot.TryOpen(
                await fixture.Store.ReadAllAsync((await fixture.Store.ListAllAsync(Layout.Keys, default))[0].Name,
            default),
            Secret(fixture.Password), settings)!;
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

    private static Task PutAsync(RepositoryFixture fixture, string name, byte[] bytes) =>
        fixture.Store.PutAsync(name, new ObjectContent(bytes), PutOptions.Metadata, default);

    private static async Task ReplaceAsync(RepositoryFixture fixture, string name, byte[] bytes)
    {
        await fixture.Store.DeleteAsync(name, default);
        await PutAsync(fixture, name, bytes);
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
