using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Verification;

public sealed class DamageTests
{
    [Theory]
    [InlineData("p")]
    [InlineData(null)]
    public async Task Any_changed_byte_in_any_object_is_found_without_a_password(string? password)
    {
        using var fixture = new RepositoryFixture { Password = password };
        using (Repository repository = await fixture.CreateAsync())
        {
            byte[] disk = Disk(150_000, 1);
            await repository.SetApplianceSettingsAsync(new ApplianceSettings
            {
                ApplianceId = Appliance.ApplianceId,
                Name = "n",
                HypervisorKind = "Folder",
            }, default);
            await BackupAsync(repository, disk);
            await BackupAsync(repository, Change(disk, 2, 3));
        }
        using Repository audit =
            await Repository.OpenAsync(new FaultStore(fixture.Store), null, fixture.Options, default);
        Assert.DoesNotContain(await CheckAsync(audit), r => r.Result is CheckOutcome.Failed or CheckOutcome.Warning);
        var random = new Random(20261123);
        int tried = 0;
        foreach (StoredObject item in await fixture.Store.ListAllAsync("", default))
        {
            byte[] good = await fixture.Store.ReadAllAsync(item.Name, default);
            // Every byte of what frames an object, and samples of what lies between.
            foreach (int at in Enumerable.Range(0, good.Length)
                .Where(i => i < 56 || i >= good.Length - 36 || random.Next(good.Length) < 12).ToArray())
            {
                byte[] bad = (byte[])good.Clone();
                bad[at] ^= (byte)(1 << random.Next(8));
                await ReplaceAsync(fixture.Store, item.Name, bad);
                List<CheckResult> results = await CheckAsync(audit);
                Assert.True(results.Exists(r => r.Result == CheckOutcome.Failed),
                    $"byte {at} of {item.Name} ({good.Length} bytes)");
                tried++;
            }
            await ReplaceAsync(fixture.Store, item.Name, good);
        }
        Assert.True(tried > 500, $"{tried} bytes");
        Assert.DoesNotContain(await CheckAsync(audit), r => r.Result == CheckOutcome.Failed);
    }

    [Theory]
    [InlineData("p")]
    [InlineData(null)]
    public async Task Any_changed_byte_that_a_point_needs_is_found_by_its_verification(string? password)
    {
        using var fixture = new RepositoryFixture { Password = password };
        using Repository repository = await fixture.CreateAsync();
        byte[] disk = Disk(700_000, 2);
        RestorePoint point = await BackupAsync(repository, disk);
        var random = new Random(7);
        foreach (StoredObject item in await fixture.Store.ListAllAsync("appliances/", default))
        {
            if (item.Name.Contains("/leases/") || item.Name.Contains("/log/")) continue;
            byte[] good = await fixture.Store.ReadAllAsync(item.Name, default);
            // A pack's own checksum at its end belongs to the repository's check; a point needs everything before it.
            int end = item.Name.Contains("/data/") || item.Name.Contains("/meta/")
                ? good.Length - Envelope.TrailerLength
                : good.Length;
            for (int n = 0; n < 40; n++)
            {
                int at = n < 8 ? n : random.Next(end);
                byte[] bad = (byte[])good.Clone();
                bad[at] ^= (byte)(1 << random.Next(8));
                await ReplaceAsync(fixture.Store, item.Name, bad);
                using Repository fresh = await fixture.OpenAsync();
                CheckResult result = await fresh.VerifyRestorePointAsync(point, null, default);
                if (password is null && result.Result == CheckOutcome.Passed)
                {
                    // Without seals some bytes of a pack are not needed: its id, parts of a compressed frame. Then
                    // everything restores all the same.
                    Assert.Equal(disk, await RestoreAsync(fresh, point));
                    continue;
                }
                // A point can be restored without its delta, and the result says both.
                CheckOutcome expected = item.Name.Contains("/delta/") ? CheckOutcome.Warning : CheckOutcome.Failed;
                Assert.True(result.Result == expected, $"byte {at} of {item.Name} ({good.Length} bytes)");
                Assert.NotNull(result.Detail);
            }
            await ReplaceAsync(fixture.Store, item.Name, good);
        }
        using Repository again = await fixture.OpenAsync();
        Assert.Equal(CheckOutcome.Passed, (await again.VerifyRestorePointAsync(point, null, default)).Result);
    }

    /// <summary>No list tells how long a rewritten pack should be: its header does.</summary>
    [Theory]
    [InlineData("whole")]
    [InlineData("cut")]
    [InlineData("cut, and an older one is whole")]
    [InlineData("cut in its header")]
    [InlineData("no revision")]
    public async Task A_rewritten_pack_that_is_cut_off_is_told_without_reading_all(string how)
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, Disk(2 << 20, 1));
        string pack = (await fixture.Store.ListAllAsync("", default)).Select(o => o.Name)
            .First(n => n.Contains("/data/"));
        byte[] whole = await fixture.Store.ReadAllAsync(pack, default);
        await fixture.Store.DeleteAsync(pack, default);
        int length = how.StartsWith("cut", StringComparison.Ordinal)
            ? how.Contains("header") ? 20 : whole.Length / 2 : whole.Length;
        await fixture.Store.PutAsync(pack + (how == "no revision" ? ".rest" : ".r12"),
            new ObjectContent(whole.AsMemory(0, length)), PutOptions.Metadata, default);
        if (how.Contains("older"))
            await fixture.Store.PutAsync(pack + ".r9", new ObjectContent(whole), PutOptions.Metadata, default);
        using Repository again = await fixture.OpenAsync();
        List<CheckResult> packs = (await CheckAsync(again, full: false)).FindAll(r => r.Name == "Packs");
        bool isWhole = how is "whole" or "cut, and an older one is whole";
        CheckResult told = Assert.Single(packs);
        Assert.Equal(isWhole ? CheckOutcome.Passed : CheckOutcome.Failed, told.Result);
        if (!isWhole) Assert.StartsWith(pack, told.Target);
    }

    [Fact]
    public async Task A_missing_object_is_found_and_named()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        using (Repository repository = await fixture.CreateAsync())
        {
            await BackupAsync(repository, Disk(3 << 20, 2));
            await BackupAsync(repository, Disk(3 << 20, 3));
        }
        using Repository audit = await fixture.OpenAsync();
        foreach (StoredObject item in await fixture.Store.ListAllAsync("appliances/", default))
        {
            if (item.Name.Contains("/leases/") || item.Name.Contains("/log/")) continue;
            byte[] good = await fixture.Store.ReadAllAsync(item.Name, default);
            await fixture.Store.DeleteAsync(item.Name, default);
            List<CheckResult> failed = (await CheckAsync(audit,
                full: false)).FindAll(r => r.Result == CheckOutcome.Failed);
            Assert.True(failed.Exists(r => r.Detail!.Contains("missing")), item.Name);
            await fixture.Store.PutAsync(item.Name, new ObjectContent(good), PutOptions.Metadata, default);
        }
    }

    [Fact]
    public async Task A_deleted_audit_record_is_found_as_long_as_anything_has_seen_it()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        using Repository repository = await fixture.CreateAsync();
        RestorePoint first = await BackupAsync(repository, Disk(300_000, 1));
        await BackupAsync(repository, Disk(300_000, 2));
        await repository.RemoveRestorePointAsync(first, "a test", default);
        await BackupAsync(repository, Disk(300_000, 3));
        List<StoredObject> records = (await fixture.Store.ListAllAsync("appliances/",
            default)).FindAll(o => o.Name.Contains("/log/"));
        Assert.Equal(4, records.Count);
        // The newest record cannot be missed from inside.
        foreach (StoredObject record in records.Take(3))
        {
            byte[] bytes = await fixture.Store.ReadAllAsync(record.Name, default);
            await fixture.Store.DeleteAsync(record.Name, default);
            Assert.Contains(await CheckAsync(repository, full: false),
                r => r.Name == "AuditChain" && r.Result == CheckOutcome.Failed);
            await fixture.Store.PutAsync(record.Name, new ObjectContent(bytes), PutOptions.Metadata, default);
        }
        Assert.DoesNotContain(await CheckAsync(repository), r => r.Result == CheckOutcome.Failed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Manifests_that_are_missing_for_a_while_cost_nothing(int missing)
    {
        using var fixture = new RepositoryFixture();
        byte[][] states = [Disk(9 << 20, 1), Disk(9 << 20, 2), Disk(9 << 20, 3), Disk(9 << 20, 4)];
        using (Repository repository = await fixture.CreateAsync())
            for (int i = 0; i < 3; i++) await BackupAsync(repository, states[i]);
        var away = new List<(string Name, byte[] Bytes)>();
        foreach (StoredObject manifest in (await fixture.Store.ListAllAsync("appliances/",
            default)).FindAll(o => o.Name.Contains("/points/"))
            .TakeLast(missing))
        {
            away.Add((manifest.Name, await fixture.Store.ReadAllAsync(manifest.Name, default)));
            await fixture.Store.DeleteAsync(manifest.Name, default);
        }
        using (Repository repository = await fixture.OpenAsync())
        {
            RestorePoint made = await BackupAsync(repository, states[3]);
            Assert.Contains("missing", made.Reason);
            await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
            Assert.Contains(await CheckAsync(repository, full: false),
                r => r.Result == CheckOutcome.Failed && r.ErrorId == ErrorIds.ManifestDamaged);
        }
        foreach ((string name, byte[] bytes) in away)
            await fixture.Store.PutAsync(name, new ObjectContent(bytes), PutOptions.Metadata, default);
        using Repository again = await fixture.OpenAsync();
        IReadOnlyList<RestorePoint> points = await PointsAsync(again);
        Assert.Equal(4, points.Count);
        foreach (RestorePoint point in points)
        {
            byte[] bytes = await RestoreAsync(again, point);
            Assert.Contains(states, state => state.AsSpan().SequenceEqual(bytes));
        }
        Assert.DoesNotContain(await CheckAsync(again), r => r.Result == CheckOutcome.Failed);
    }

    [Fact]
    public async Task A_name_that_only_claims_to_be_a_record_or_a_delta_does_not_move_the_sequence()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(100_000, 1));
        string root = "appliances/" + Appliance.ApplianceId;
        await fixture.Store.PutAsync(root + "/log/000000000004.point-made.999999999998." + new string('0', 32),
            new ObjectContent(new byte[] { 1 }), PutOptions.Metadata, default);
        await fixture.Store.PutAsync(root + "/delta/000000100000-" + new string('0', 32),
            new ObjectContent(new byte[] { 1 }), PutOptions.Metadata, default);
        Assert.Equal(2, (await BackupAsync(repository, Disk(100_000, 2))).Sequence);
    }

    [Fact]
    public async Task A_making_that_died_before_it_was_a_repository_does_not_block_its_place()
    {
        using var fixture = new RepositoryFixture();
        (await fixture.CreateAsync()).Dispose();
        await fixture.Store.DeleteAsync("natalia.json", default);
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(100_000, 1));
        Assert.DoesNotContain(await CheckAsync(repository), r => r.Result == CheckOutcome.Failed);
    }

    [Fact]
    public async Task A_full_backup_heals_what_verification_found_rotten_and_what_is_missing()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        byte[] disk = Disk(20 << 20, 4);
        using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, disk);
        string pack = (await fixture.Store.ListAllAsync("appliances/",
            default)).First(o => o.Name.Contains("/data/")).Name;
        byte[] bytes = await fixture.Store.ReadAllAsync(pack, default);
        bytes[bytes.Length / 2] ^= 4;
        await ReplaceAsync(fixture.Store, pack, bytes);
        using (Repository repository = await fixture.OpenAsync())
        {
            RestorePoint rotten = (await PointsAsync(repository))[0];
            CheckResult result = await repository.VerifyRestorePointAsync(rotten, null, default);
            Assert.Equal(CheckOutcome.Failed, result.Result);
            Assert.Contains(pack, result.Detail);
            NataliaException refused =
                await Assert.ThrowsAsync<NataliaException>(() => RestoreAsync(repository, rotten));
            Assert.Equal(ErrorIds.BlockDamaged, refused.ErrorId);
            RestorePoint healed = await BackupAsync(repository, disk, RequestedBackupType.Full);
            Assert.Equal(CheckOutcome.Passed, (await repository.VerifyRestorePointAsync(healed, null, default)).Result);
            Assert.Equal(disk, await RestoreAsync(repository, healed));
            await fixture.Store.DeleteAsync(pack, default);
            RestorePoint again = await BackupAsync(repository, disk, RequestedBackupType.Full);
            Assert.Equal(disk, await RestoreAsync(repository, again));
        }
    }

    /// <summary>
    /// The run that would have healed died half way, and left a checkpoint to count from: what lies behind it has
    /// been read by nobody since the damage was found.
    /// </summary>
    [Fact]
    public async Task A_backup_that_dies_while_it_heals_leaves_the_rest_to_the_next_one()
    {
        using var fixture = new RepositoryFixture { CheckpointBytes = 60_000, Workers = 1 };
        // Six leaves, each with something in it, so that there are checkpoints on the way.
        byte[] disk = new byte[48 << 20];
        for (int leaf = 0; leaf < 6; leaf++) new Random(leaf).NextBytes(disk.AsSpan(leaf << 23, 200_000));
        var states = new Dictionary<string, byte[]> { ["1"] = disk, ["2"] = disk, ["3"] = disk };
        using (Repository repository = await fixture.CreateAsync())
            await BackupAsync(repository, new TrackedMemoryDiskSource(disk, "1", states));
        foreach (StoredObject pack in (await fixture.Store.ListAllAsync("appliances/", default))
            .Where(o => o.Name.Contains("/data/")))
        {
            byte[] bytes = await fixture.Store.ReadAllAsync(pack.Name, default);
            bytes.AsSpan(0, bytes.Length - 40).Clear();
            await ReplaceAsync(fixture.Store, pack.Name, bytes);
        }
        using (Repository repository = await fixture.OpenAsync())
            Assert.Equal(CheckOutcome.Failed, (await repository.VerifyRestorePointAsync(
                (await PointsAsync(repository))[0], null, default)).Result);

        int manifests = 0;
        var dying = new HookStore(fixture.Store)
        {
            Before = operation => operation.Contains("/points/") && operation.StartsWith("put") && ++manifests > 1
                ? throw new SimulatedCrashException(operation)
                : Task.CompletedTask,
        };
        using (Repository repository = await fixture.OpenAsync(dying))
            await Assert.ThrowsAsync<SimulatedCrashException>(
                () => BackupAsync(repository, new TrackedMemoryDiskSource(disk, "2", states)));
        using (Repository repository = await fixture.OpenAsync())
        {
            RestorePoint next = await BackupAsync(repository, new TrackedMemoryDiskSource(disk, "3", states));
            Assert.Equal(CheckOutcome.Passed, (await repository.VerifyRestorePointAsync(next, null, default)).Result);
            Assert.Equal(disk, await RestoreAsync(repository, next));
            Assert.Contains("Damage was found", next.Reason);
        }
    }

    [Theory]
    [InlineData("/meta/")]
    [InlineData("/points/")]
    public async Task A_backup_succeeds_when_the_earlier_point_cannot_be_read(string where)
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        byte[] disk = Disk(20 << 20, 4);
        using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, disk);
        string name =
            (await fixture.Store.ListAllAsync("appliances/", default)).First(o => o.Name.Contains(where)).Name;
        byte[] bytes = await fixture.Store.ReadAllAsync(name, default);
        await ReplaceAsync(fixture.Store, name, bytes.AsSpan(0, bytes.Length - 40).ToArray());
        using (Repository repository = await fixture.OpenAsync())
        {
            RestorePoint next = await BackupAsync(repository, disk, RequestedBackupType.Incremental);
            Assert.Equal(BackupType.Full, next.Type);
            Assert.Contains("stored anew", next.Reason);
            Assert.Equal(disk, await RestoreAsync(repository, next));
        }
    }

    /// <summary>A sector that cannot be read is like a wrong byte there, and one that is read at the second try is
    /// nothing.</summary>
    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(1)]
    public async Task A_bad_sector_under_the_maps_of_the_earlier_point_is_damage_and_ends_no_backup(int failures)
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        byte[] disk = Disk(20 << 20, 4);
        RestorePoint first;
        using (Repository repository = await fixture.CreateAsync()) first = await BackupAsync(repository, disk);
        string pack = Assert.Single(await fixture.Store.ListAllAsync(
            Layout.Packs(Appliance.ApplianceId, PackArea.Meta), default)).Name;
        int left = failures;
        var hooked = new HookStore(fixture.Store)
        {
            Before = operation => operation == "read " + pack && Interlocked.Decrement(ref left) >= 0
                ? throw new NataliaException(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed, "A bad sector.",
                    "/mnt/nas/" + pack)
                : Task.CompletedTask,
        };
        using (Repository repository = await fixture.OpenAsync(hooked))
        {
            RestorePoint next = await BackupAsync(repository, disk, RequestedBackupType.Incremental);
            Assert.Equal(failures > 1, next.Reason?.Contains("stored anew") == true);
            Assert.Equal(failures > 1, next.Reason?.Contains("A bad sector.") == true);
            Assert.Equal(disk, await RestoreAsync(repository, next));
        }
        left = failures;
        using (Repository repository = await fixture.OpenAsync(hooked))
        {
            CheckResult result = await repository.VerifyRestorePointAsync(first, null, default);
            if (failures == 1)
            {
                Assert.Equal(CheckOutcome.Passed, result.Result);
                return;
            }
            Assert.Equal((CheckOutcome.Failed, ErrorIds.RestorePointDamaged), (result.Result, result.ErrorId));
            Assert.Contains("A bad sector.", result.Detail);
        }
        // The record names the pack as the repository does, whatever the store calls its file.
        using Repository reader = await fixture.OpenAsync();
        AuditRecord found = Assert.Single(await reader.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e,
            default), r => r.Event == "damage-found");
        Assert.Contains($"\"{pack}\"", found.Data);
    }

    [Fact]
    public async Task Every_way_to_open_the_wrong_thing_has_its_own_error()
    {
        using var fixture = new RepositoryFixture { Password = "right" };
        (await fixture.CreateAsync()).Dispose();
        Assert.Equal(ErrorIds.WrongPassword, await ErrorOf(() => fixture.OpenAsync(password: "wrong")));
        Assert.Equal(ErrorIds.RepositoryExists, await ErrorOf(() => fixture.CreateAsync()));

        using (Repository unread = await Repository.OpenAsync(new FaultStore(fixture.Store), null, fixture.Options,
            default))
        {
            Assert.False(unread.IsUnlocked);
            Assert.Equal(ErrorIds.PasswordRequired,
                (await Assert.ThrowsAsync<NataliaException>(() => PointsAsync(unread))).ErrorId);
            Assert.Equal(ErrorIds.PasswordRequired,
                (await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(unread, [1]))).ErrorId);
        }

        byte[] settings = await fixture.Store.ReadAllAsync("natalia.json", default);
        string text = System.Text.Encoding.UTF8.GetString(settings);
        await ReplaceAsync(fixture.Store, "natalia.json",
            System.Text.Encoding.UTF8.GetBytes(text.Replace("\"format\":1", "\"format\":2")));
        Assert.Equal(ErrorIds.RepositoryFormatTooNew, await ErrorOf(() => fixture.OpenAsync()));
        await ReplaceAsync(fixture.Store, "natalia.json",
            System.Text.Encoding.UTF8.GetBytes(text.Replace("\"requiredFeatures\":[]",
                "\"requiredFeatures\":[\"x\"]")));
        Assert.Equal(ErrorIds.RepositoryFormatTooNew, await ErrorOf(() => fixture.OpenAsync()));
        await ReplaceAsync(fixture.Store, "natalia.json", settings.AsSpan(0, 40).ToArray());
        Assert.Equal(ErrorIds.RepositoryDamaged, await ErrorOf(() => fixture.OpenAsync()));
        await ReplaceAsync(fixture.Store, "natalia.json", "{\"other\":1}"u8.ToArray());
        Assert.Equal(ErrorIds.NotARepository, await ErrorOf(() => fixture.OpenAsync()));
        await fixture.Store.DeleteAsync("natalia.json", default);
        Assert.Equal(ErrorIds.NotARepository, await ErrorOf(() => fixture.OpenAsync()));
        await ReplaceAsync(fixture.Store, "natalia.json", settings);
        foreach (StoredObject slot in await fixture.Store.ListAllAsync("keys/", default))
            await fixture.Store.DeleteAsync(slot.Name, default);
        Assert.Equal(ErrorIds.RepositoryDamaged, await ErrorOf(() => fixture.OpenAsync()));

        using var empty = new RepositoryFixture();
        Assert.Equal(ErrorIds.RepositoryNotFound, await ErrorOf(() => empty.OpenAsync()));
        await empty.Store.PutAsync("holiday.jpg", new ObjectContent(new byte[3]), PutOptions.Metadata, default);
        Assert.Equal(ErrorIds.NotARepository, await ErrorOf(() => empty.CreateAsync()));

        using var open = new RepositoryFixture();
        (await open.CreateAsync()).Dispose();
        Assert.Equal(ErrorIds.PasswordNotExpected, await ErrorOf(() => open.OpenAsync(password: "x")));
    }

    [Fact]
    public async Task A_repository_that_claims_to_be_unencrypted_does_not_get_a_password_or_plain_data()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        (await fixture.CreateAsync()).Dispose();
        // Somebody replaces the settings and the key slot with those of an unencrypted repository of theirs.
        using var theirs = new RepositoryFixture();
        (await theirs.CreateAsync()).Dispose();
        foreach (StoredObject item in await fixture.Store.ListAllAsync("", default))
            await fixture.Store.DeleteAsync(item.Name, default);
        foreach (StoredObject item in await theirs.Store.ListAllAsync("", default))
            await fixture.Store.PutAsync(item.Name,
                new ObjectContent(await theirs.Store.ReadAllAsync(item.Name, default)), PutOptions.Metadata, default);
        Assert.Equal(ErrorIds.PasswordNotExpected, await ErrorOf(() => fixture.OpenAsync()));
    }

    [Fact]
    public async Task Nothing_readable_of_the_disk_stands_in_an_encrypted_repository()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        byte[] disk = new byte[200_000];
        byte[] secret = System.Text.Encoding.ASCII.GetBytes("SECRET-CALL-RECORD-4711 ");
        for (int at = 0; at + secret.Length < disk.Length; at += secret.Length) secret.CopyTo(disk, at);
        using (Repository repository = await fixture.CreateAsync()) await BackupAsync(repository, disk);
        foreach (StoredObject item in await fixture.Store.ListAllAsync("", default))
        {
            byte[] bytes = await fixture.Store.ReadAllAsync(item.Name, default);
            Assert.True(bytes.AsSpan().IndexOf("CALL-RECORD"u8) < 0, item.Name);
            if (!item.Name.Contains("/log/")) Assert.True(bytes.AsSpan().IndexOf("natalia-paris"u8) < 0, item.Name);
        }
    }

    private static async Task<string> ErrorOf(Func<Task<Repository>> open) =>
        (await Assert.ThrowsAsync<NataliaException>(async () => (await open()).Dispose())).ErrorId;

    private static async Task ReplaceAsync(IObjectStore store, string name, byte[] bytes)
    {
        await store.DeleteAsync(name, default);
        await store.PutAsync(name, new ObjectContent(bytes), PutOptions.Metadata, default);
    }
}
