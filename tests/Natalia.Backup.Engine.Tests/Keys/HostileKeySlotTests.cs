using System.Diagnostics;
using System.Text;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Keys;

/// <summary>
/// Whoever can write can put key slots there. None keeps the right password from opening the repository, and they are
/// told.
/// </summary>
public sealed class HostileKeySlotTests
{
    [Theory]
    [InlineData("4611686018427387904", "8", "1")] // 2^62
    [InlineData("9223372036854775807", "8", "1")]
    [InlineData("18446744073709551616", "8", "1")]
    [InlineData("65536", "1", "1")] // RFC 7914 wants N below 2^16 there
    [InlineData("67108864", "1", "1")]
    [InlineData("4194304", "8", "1")] // 4 GiB
    [InlineData("65536", "8", "16")]
    [InlineData("65536", "8", "0")]
    [InlineData("65536", "-8", "1")]
    [InlineData("65536", "9223372036854775807", "1")]
    [InlineData("3", "8", "1")]
    [InlineData("1.5", "8", "1")]
    [InlineData("null", "8", "1")]
    public async Task A_slot_of_an_impossible_cost_harms_no_other_one_and_is_told(string n, string r, string p)
    {
        using var fixture = new RepositoryFixture { Password = "one" };
        (await fixture.CreateAsync()).Dispose();
        string id = await AddAsync(fixture.Store, n, r, p);

        long started = Stopwatch.GetTimestamp();
        using Repository repository = await fixture.OpenAsync();
        Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(20));
        Assert.Contains(repository.UnusableKeySlots, s => s.Contains(id));
        RepositoryKey key = (await repository.GetKeysAsync(default)).Single(k => k.KeyId == id);
        Assert.True(key is { IsWhole: false, Damage: not null });
        Assert.Contains(await CheckAsync(repository), c => c.Result == CheckOutcome.Failed && c.Target == "keys/" + id);
        await repository.RemoveKeyAsync(id, default);
        Assert.DoesNotContain(await CheckAsync(repository),
            c => c.Result is CheckOutcome.Failed or CheckOutcome.Warning);
        Assert.Empty((await fixture.OpenAsync()).UnusableKeySlots);
    }

    [Fact]
    public async Task A_wrong_password_stays_a_wrong_password_beside_a_slot_that_cannot_be_used()
    {
        using var fixture = new RepositoryFixture { Password = "one" };
        (await fixture.CreateAsync()).Dispose();
        string id = await AddAsync(fixture.Store, "65536", "1", "1");
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(() => fixture.OpenAsync(password: "another"));
        Assert.Equal(ErrorIds.WrongPassword, error.ErrorId);
        Assert.Contains(id, error.Message);
    }

    [Fact]
    public async Task Hundreds_of_slots_that_nobody_knows_hide_no_password_and_are_not_all_tried()
    {
        using var fixture = new RepositoryFixture { Password = "first" };
        (await fixture.CreateAsync()).Dispose();
        // As dear as they may be, so that trying them all would take minutes; and so many that they are not even all
        // read.
        for (int i = 0; i < 300; i++) await AddAsync(fixture.Store, "262144", "8", "2");
        using (Repository made = await fixture.OpenAsync()) await made.AddKeyAsync(Secret("added")!, null, default);
        long started = Stopwatch.GetTimestamp();
        foreach (string password in new[] { "first", "added" })
        {
            using Repository repository = await fixture.OpenAsync(password: password);
            Assert.Equal(46, repository.UntriedKeySlots);
            Assert.Contains(await CheckAsync(repository),
                c => c is { Result: CheckOutcome.Warning, Name: "KeySlots", Target: "keys/" });
        }
        // The dear ones come last, and were not tried.
        Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task A_wrong_password_is_told_after_a_bounded_number_of_slots()
    {
        using var fixture = new RepositoryFixture { Password = "first" };
        (await fixture.CreateAsync()).Dispose();
        for (int i = 0; i < 299; i++) await AddAsync(fixture.Store, "2", "8", "1");
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(() => fixture.OpenAsync(password: "another"));
        Assert.Equal(ErrorIds.WrongPassword, error.ErrorId);
        Assert.Contains("44 more key slots", error.Message);
    }

    [Fact]
    public async Task A_slot_that_opens_and_holds_other_secrets_is_passed_over()
    {
        using var fixture = new RepositoryFixture { Password = "one" };
        (await fixture.CreateAsync()).Dispose();
        byte[] settings = await fixture.Store.ReadAllAsync("natalia.json", default);
        // Somebody who knew the password: cheaper than the genuine one, so that it is tried first.
        byte[] forged = KeySlot.Seal(RepositorySecrets.NewRandom(), Secret("one"), null, Hash256.Of(settings),
            DateTime.UtcNow, 2, out Id128 id);
        await fixture.Store.PutAsync("keys/" + id, new ObjectContent(forged), PutOptions.Metadata, default);
        using Repository repository = await fixture.OpenAsync();
        await BackupAsync(repository, Disk(100_000, 1));
    }

    [Fact]
    public async Task A_slot_that_was_deleted_past_the_log_is_told_until_somebody_records_that_it_is_gone()
    {
        using var fixture = new RepositoryFixture { Password = "one" };
        using Repository repository = await fixture.CreateAsync();
        RepositoryKey stays = await repository.AddKeyAsync(Secret("two")!, "two", default),
            lost = await repository.AddKeyAsync(Secret("three")!, "three", default);
        // One that was removed as it should be is none that is lost.
        await repository.RemoveKeyAsync(stays.KeyId, default);
        Assert.DoesNotContain(await CheckAsync(repository), c => c.Result == CheckOutcome.Failed);
        await fixture.Store.DeleteAsync("keys/" + lost.KeyId, default);
        Assert.Equal(("keys/" + lost.KeyId, ErrorIds.KeySlotNotFound),
            Assert.Single(await CheckAsync(repository), c => c.Result == CheckOutcome.Failed) is var failed
                ? (failed.Target, failed.ErrorId)
                : default);
        Assert.Single(await repository.GetKeysAsync(default), k => k.KeyId == lost.KeyId && !k.IsWhole);
        await repository.RemoveKeyAsync(lost.KeyId, default);
        Assert.DoesNotContain(await CheckAsync(repository), c => c.Result == CheckOutcome.Failed);
        Assert.Single(await repository.GetKeysAsync(default));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("one")]
    public async Task A_repository_without_any_slot_fails_its_check(string? password)
    {
        using var fixture = new RepositoryFixture { Password = password };
        using Repository repository = await fixture.CreateAsync();
        foreach (StoredObject slot in await fixture.Store.ListAllAsync("keys/", default))
            await fixture.Store.DeleteAsync(slot.Name, default);
        Assert.Equal("keys/",
            Assert.Single(await CheckAsync(repository), c => c.Result == CheckOutcome.Failed).Target);
    }

    [Fact]
    public async Task A_lost_settings_file_is_made_again_beside_hostile_slots()
    {
        using var fixture = new RepositoryFixture { Password = "one" };
        (await fixture.CreateAsync()).Dispose();
        byte[] settings = await fixture.Store.ReadAllAsync("natalia.json", default);
        await AddAsync(fixture.Store, "65536", "1", "1");
        await AddAsync(fixture.Store, "2", "8", "1", created: "1999-01-01T00:00:00.0000000Z");
        await fixture.Store.DeleteAsync("natalia.json", default);
        Assert.Equal(SettingsState.Missing,
            await Repository.RebuildSettingsAsync(fixture.Store, Secret("one"), TimeProvider.System, default));
        Assert.Equal(settings, await fixture.Store.ReadAllAsync("natalia.json", default));
    }

    /// <summary>Puts a slot there that is whole, belongs to the repository and opens with no password.</summary>
    private static async Task<string> AddAsync(IObjectStore store, string n, string r, string p,
        string created = "2026-11-23T18:04:25.1234567Z")
    {
        Hash256 settings = Hash256.Of(await store.ReadAllAsync("natalia.json", default));
        byte[] header =
            Encoding.ASCII.GetBytes(
                $$"""{"repository":"{{settings}}","createdUtc":"{{created}}","kdf":"scrypt","n":{{n}},"r":{{r}},"p":{{p}},"salt":"00112233445566778899aabbccddeeff"}""");
        Id128 id = Id128.NewRandom();
        byte[] bytes = SmallObject.Encode(ObjectKind.KeySlot, id, header, [new byte[64]],
            ObjectKeys.FromSecret(new byte[32]), compress: false).Bytes;
        await store.PutAsync("keys/" + id, new ObjectContent(bytes), PutOptions.Metadata, default);
        return id.ToString();
    }
}
