using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Keys;

public sealed class KeyTests
{
    [Fact]
    public async Task A_password_is_changed_without_writing_anything_anew()
    {
        using var fixture = new RepositoryFixture { Password = "old" };
        byte[] disk = Disk(300_000, 1);
        using (Repository repository = await fixture.CreateAsync())
        {
            await BackupAsync(repository, disk);
            List<StoredObject> before = await fixture.Store.ListAllAsync("", default);
            RepositoryKey old = Assert.Single(await repository.GetKeysAsync(default));
            Assert.True(old is { IsWhole: true, IsProven: true, Name: null });
            RepositoryKey made = await repository.AddKeyAsync(Secret("new")!, "in the safe", default);
            Assert.True(made is { IsWhole: true, IsProven: true, Name: "in the safe" });
            foreach (string password in new[] { "old", "new" }) (await fixture.OpenAsync(password: password)).Dispose();
            await repository.RemoveKeyAsync(old.KeyId, default);
            Assert.Equal(made, Assert.Single(await repository.GetKeysAsync(default)));
            // One slot and two records came, one slot went.
            List<StoredObject> after = await fixture.Store.ListAllAsync("", default);
            Assert.Equal("keys/" + old.KeyId,
                Assert.Single(before.Select(o => o.Name).Except(after.Select(o => o.Name))));
            Assert.Equal(3, after.Select(o => o.Name).Except(before.Select(o => o.Name)).Count());
        }
        Assert.Equal(ErrorIds.WrongPassword,
            (await Assert.ThrowsAsync<NataliaException>(() => fixture.OpenAsync(password: "old"))).ErrorId);
        using Repository open = await fixture.OpenAsync(password: "new");
        Assert.Equal(disk, await RestoreAsync(open, (await PointsAsync(open))[0]));
        await BackupAsync(open, Change(disk, 3, 3));
        Assert.DoesNotContain(await CheckAsync(open), r => r.Result is CheckOutcome.Failed or CheckOutcome.Warning);
        Assert.DoesNotContain(await open.VerifyAuditAsync(new AuditExpectations(), default),
            r => r.Result != CheckOutcome.Passed);
        IReadOnlyList<AuditRecord> records = await open.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e,
            default);
        Assert.Equal(["key-removed", "key-added"],
            records.Where(r => r.Event.StartsWith("key-", StringComparison.Ordinal)).OrderByDescending(r => r.Number)
                .Select(r => r.Event));
        Assert.Contains("in the safe", records.Single(r => r.Event == "key-added").Data);
    }

    [Fact]
    public async Task A_damaged_or_deleted_slot_harms_no_other_one_and_can_be_removed()
    {
        using var fixture = new RepositoryFixture { Password = "one" };
        using Repository repository = await fixture.CreateAsync();
        string first = (await repository.GetKeysAsync(default))[0].KeyId;
        await repository.AddKeyAsync(Secret("two")!, null, default);
        ((MemoryStore)fixture.Store).Tamper("keys/" + first, bytes => { bytes[70] ^= 1; return bytes; });

        using Repository other = await fixture.OpenAsync(password: "two");
        RepositoryKey damaged = (await other.GetKeysAsync(default)).Single(k => k.KeyId == first);
        Assert.True(damaged is { IsWhole: false, IsProven: false, Damage: not null });
        NataliaException last =
            await Assert.ThrowsAsync<NataliaException>(
                async () => await other.RemoveKeyAsync((await other.GetKeysAsync(default)).Single(k => k.IsWhole).KeyId,
                    default));
        Assert.Equal(ErrorIds.LastKeySlot, last.ErrorId);
        await other.RemoveKeyAsync(first, default);
        Assert.Equal(ErrorIds.KeySlotNotFound,
            (await Assert.ThrowsAsync<NataliaException>(() => other.RemoveKeyAsync(first, default))).ErrorId);
        (await fixture.OpenAsync(password: "two")).Dispose();
    }

    [Fact]
    public async Task A_header_that_was_changed_makes_the_slot_useless_and_not_renamed()
    {
        using var fixture = new RepositoryFixture { Password = "one" };
        using Repository repository = await fixture.CreateAsync();
        RepositoryKey named = await repository.AddKeyAsync(Secret("two")!, "aaaa", default);
        ((MemoryStore)fixture.Store).Tamper("keys/" + named.KeyId, bytes =>
        {
            int at = bytes.AsSpan().IndexOf("aaaa"u8);
            "bbbb"u8.CopyTo(bytes.AsSpan(at));
            System.Security.Cryptography.SHA256.HashData(bytes.AsSpan(0, bytes.Length - 32),
                bytes.AsSpan(bytes.Length - 32));
            return bytes;
        });
        Assert.Equal(ErrorIds.WrongPassword,
            (await Assert.ThrowsAsync<NataliaException>(() => fixture.OpenAsync(password: "two"))).ErrorId);
        (await fixture.OpenAsync(password: "one")).Dispose();
    }

    [Fact]
    public async Task The_last_slot_is_never_removed_nor_one_that_only_unproven_ones_would_outlive()
    {
        using var fixture = new RepositoryFixture { Password = "one" };
        using Repository repository = await fixture.CreateAsync();
        string first = (await repository.GetKeysAsync(default))[0].KeyId;
        Assert.Equal(ErrorIds.LastKeySlot,
            (await Assert.ThrowsAsync<NataliaException>(() => repository.RemoveKeyAsync(first, default))).ErrorId);

        string second;
        using (Repository elsewhere = await fixture.OpenAsync())
            second = (await elsewhere.AddKeyAsync(Secret("two")!, null, default)).KeyId;
        Assert.Equal(ErrorIds.KeySlotNotProven,
            (await Assert.ThrowsAsync<NataliaException>(() => repository.RemoveKeyAsync(first, default))).ErrorId);
        await repository.RemoveKeyAsync(second, default);
        (await fixture.OpenAsync()).Dispose();
    }

    /// <param name="third">Whether there is a third slot, of which neither session knows the password.</param>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_sessions_that_remove_each_others_password_leave_one(bool third)
    {
        using var fixture = new RepositoryFixture { Password = "one" };
        using Repository repository = await fixture.CreateAsync();
        string first = (await repository.GetKeysAsync(default))[0].KeyId;
        string second = (await repository.AddKeyAsync(Secret("two")!, null, default)).KeyId;
        if (third)
        {
            using Repository elsewhere = await fixture.OpenAsync();
            await elsewhere.AddKeyAsync(Secret("three")!, null, default);
        }
        // The other one has recorded that it removes "one", and has not deleted it yet: it dies there.
        var dying = new FaultStore(fixture.Store);
        using (Repository counted = await fixture.OpenAsync(dying, "two")) { }
        for (int at = dying.Operations; ; at++)
        {
            using Repository other =
                await fixture.OpenAsync(new FaultStore(fixture.Store, Fault.CrashBefore, at), "two");
            await Assert.ThrowsAsync<SimulatedCrashException>(() => other.RemoveKeyAsync(first, default));
            if ((await fixture.Store.ListAllAsync("log/", default)).Exists(o => o.Name.Contains(".key-removed.")))
                break;
        }
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(() => repository.RemoveKeyAsync(second, default));
        Assert.Equal(ErrorIds.LastKeySlot, refused.ErrorId);
        (await fixture.OpenAsync(password: "two")).Dispose();
        Assert.DoesNotContain(await repository.VerifyAuditAsync(new AuditExpectations(), default),
            r => r.Result != CheckOutcome.Passed);
    }

    [Fact]
    public async Task A_failure_at_any_operation_leaves_the_old_password_and_no_way_in_that_the_log_does_not_know()
    {
        for (int at = 0; ; at++)
        {
            using var fixture = new RepositoryFixture { Password = "one" };
            (await fixture.CreateAsync()).Dispose();
            int opening;
            using (var counting = new FaultStore(fixture.Store))
            {
                (await fixture.OpenAsync(counting)).Dispose();
                opening = counting.Operations;
            }
            var faulty = new FaultStore(fixture.Store, Fault.FailBefore, opening + at);
            using Repository repository = await fixture.OpenAsync(faulty);
            bool failed = false;
            try
            {
                await repository.AddKeyAsync(Secret("two")!, "second", default);
            }
            catch (NataliaException)
            {
                failed = true;
            }
            using Repository after = await fixture.OpenAsync();
            bool isRecorded = (await fixture.Store.ListAllAsync("log/",
                default)).Exists(o => o.Name.Contains(".key-added."));
            Assert.True((await after.GetKeysAsync(default)).Count == (failed ? 1 : 2), $"operation {at}");
            Assert.True(failed || isRecorded, $"operation {at}");
            if (!faulty.HasStruck) break;
        }
    }

    [Fact]
    public async Task Refusals_are_clear_and_name_no_secret()
    {
        using var fixture = new RepositoryFixture { Password = "one" };
        using Repository repository = await fixture.CreateAsync();
        await repository.AddKeyAsync(Secret("two")!, "Safe", default);
        NataliaException taken =
            await Assert.ThrowsAsync<NataliaException>(() => repository.AddKeyAsync(Secret("hush")!, "SAFE", default));
        Assert.Equal(ErrorIds.KeyNameInUse, taken.ErrorId);
        Assert.DoesNotContain("hush", taken.ToString());
        Assert.Equal(ErrorIds.PasswordRequired,
            (await Assert.ThrowsAsync<NataliaException>(
                () => repository.AddKeyAsync(Secret("")!, null, default))).ErrorId);
        using (Repository audit =
            await Repository.OpenAsync(new FaultStore(fixture.Store), null, fixture.Options, default))
        {
            Assert.Equal(2, (await audit.GetKeysAsync(default)).Count);
            Assert.DoesNotContain(await audit.GetKeysAsync(default), k => k.IsProven);
            Assert.Equal(ErrorIds.PasswordRequired,
                (await Assert.ThrowsAsync<NataliaException>(
                    () => audit.AddKeyAsync(Secret("x")!, null, default))).ErrorId);
            Assert.Equal(ErrorIds.PasswordRequired,
                (await Assert.ThrowsAsync<NataliaException>(() => audit.RemoveKeyAsync("x", default))).ErrorId);
        }

        using var plain = new RepositoryFixture();
        using Repository open = await plain.CreateAsync();
        Assert.Equal(ErrorIds.RepositoryNotEncrypted,
            (await Assert.ThrowsAsync<NataliaException>(() => open.GetKeysAsync(default))).ErrorId);
        Assert.Equal(ErrorIds.RepositoryNotEncrypted,
            (await Assert.ThrowsAsync<NataliaException>(() => open.AddKeyAsync(Secret("x")!, null, default))).ErrorId);
        Assert.Equal(ErrorIds.RepositoryNotEncrypted,
            (await Assert.ThrowsAsync<NataliaException>(() => open.RemoveKeyAsync("x", default))).ErrorId);
    }
}
