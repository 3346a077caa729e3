using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Tests.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Repositories;

/// <summary>
/// Something that is no object stands in the place of one, of each kind: nothing hangs, nothing fills the memory,
/// everything that fails says so with an error of the product, and other appliances do not notice.
/// </summary>
public sealed class NotAFileInRepositoryTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private static readonly ApplianceDescription s_victim = Appliance with
    {
        ApplianceId = ApplianceIdentity.Create("Folder", "", "victim"),
        Name = "natalia-victim",
    };
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<SpecialFile> Kinds => [.. Enum.GetValues(typeof(SpecialFile)).Cast<SpecialFile>()];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task In_the_place_of_any_object_it_is_a_damaged_one_of_that_appliance_alone(SpecialFile kind)
    {
        if (OperatingSystem.IsWindows()) return;
        byte[] disk = Disk(400_000, 1);
        await MakeAsync(disk);
        string victim = $"appliances/{s_victim.ApplianceId}/";
        foreach (string place in new[] { "natalia.json", "keys/", "log/", victim + "data/", victim + "meta/", victim
            + "delta/", victim + "points/", victim + "log/", victim + "leases/", victim + "catalog/" })
        {
            // Two slots, of which the log names one.
            int places = place == "keys/" ? 2 : 1;
            for (int i = 1; i <= places; i++)
            {
                string copy = _folder["copy" + Guid.NewGuid().ToString("n")];
                CopyFolder(_folder["pristine"], copy);
                string[] there = place == "natalia.json"
                    ? [Path.Combine(copy, place)]
                    : Directory.GetFiles(Path.Combine(copy, place), "*", SearchOption.AllDirectories);
                string path = there.Order(StringComparer.Ordinal).ElementAt(there.Length - i);
                if (!SpecialFiles.TryMake(path, kind)) return;
                try
                {
                    await ProbeAsync(copy, place, kind, disk);
                }
                catch (Exception failure)
                {
                    throw new InvalidOperationException(
                        $"{kind} in the place of {path.Substring(copy.Length)}: {failure.Message}",
                        failure);
                }
                Directory.Delete(copy, recursive: true);
            }
        }
    }

    private async Task ProbeAsync(string path, string place, SpecialFile kind, byte[] disk)
    {
        using var fixture = new RepositoryFixture(FolderStore.Open(path,
            create: false))
        { Password = "one", HasLockDirectory = false };
        if (place == "natalia.json")
        {
            NataliaException error =
                await Assert.ThrowsAsync<NataliaException>(() => fixture.OpenAsync().WaitAsync(s_limit));
            Assert.Contains(error.ErrorId,
                new[] { ErrorIds.RepositoryDamaged, ErrorIds.NotARepository, ErrorIds.PathNotContained });
            await MayFailAsync(
                async () => await Repository.RebuildSettingsAsync(fixture.Store, Secret("one"), TimeProvider.System,
                    default));
            return;
        }
        using Repository repository = await OpenAsync(fixture).WaitAsync(s_limit);
        bool isSecondLost = place == "keys/" && (await repository.GetKeysAsync(default).WaitAsync(s_limit))
            .All(k => k.Name != "second");
        var damaged = new List<NataliaException>();
        IReadOnlyList<RestorePoint> points = await repository.GetRestorePointsAsync(new RestorePointFilter(),
            damaged.Add, default)
            .WaitAsync(s_limit);
        List<RestorePoint> others = [.. points.Where(p => p.ApplianceId == Appliance.ApplianceId)];
        Assert.Equal(2, others.Count);
        List<CheckResult> results = await CheckAsync(repository).WaitAsync(s_limit);
        bool isListed =
            kind is SpecialFile.Pipe or SpecialFile.Socket or SpecialFile.EndlessDevice or SpecialFile.Tebibyte;
        if (isListed) Assert.Contains(results, r => r.Result == CheckOutcome.Failed);
        // What the log names is missed also where a link is not listed.
        if (isSecondLost) Assert.Contains(results, r => r.Name == "KeySlots" && r.Result == CheckOutcome.Failed);
        Assert.DoesNotContain(results, r => r.ApplianceId == Appliance.ApplianceId && r.Result != CheckOutcome.Passed);
        await repository.VerifyAuditAsync(new AuditExpectations(), default).WaitAsync(s_limit);
        await repository.GetKeysAsync(default).WaitAsync(s_limit);
        foreach (RestorePoint point in points)
            await MayFailAsync(() => repository.VerifyRestorePointAsync(point, null, default),
                isOther: point.ApplianceId == Appliance.ApplianceId);

        using var there = new RepositoryFixture { Password = "there", HasLockDirectory = false };
        using (Repository destination = await there.CreateAsync())
        {
            foreach (RestorePoint point in points)
                await MayFailAsync(
                    () => new PointCopier(repository, destination, null).CopyAsync(point, false, null, default),
                    isOther: point.ApplianceId == Appliance.ApplianceId);
        }
        await BackupAsync(repository, Change(disk, 3, 5)).WaitAsync(s_limit);
        await MayFailAsync(
            () =>
                repository.BackupAsync(Request(new MemoryDiskSource(Change(disk, 3, 6))) with { Appliance = s_victim },
                null, null, default));
        await MayFailAsync(() => repository.ReclaimAsync(s_victim.ApplianceId, TimeSpan.FromHours(1), default));
        await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.FromHours(1), default).WaitAsync(s_limit);
        foreach (bool whatIf in new[] { true, false })
        {
            var failed = new List<string>();
            await MayFailAsync(
                () => repository.RepairAsync(new RepairOptions { Full = true, WhatIf = whatIf },
                    (appliance, _) => failed.Add(appliance), null, default));
            Assert.DoesNotContain(Appliance.ApplianceId, failed);
        }
        Assert.Equal(disk, await RestoreAsync(repository, others[1]).WaitAsync(s_limit));
    }

    /// <summary>With one password or the other: one slot may be gone.</summary>
    private static async Task<Repository> OpenAsync(RepositoryFixture fixture)
    {
        try
        {
            return await fixture.OpenAsync(password: "one");
        }
        catch (NataliaException wrong) when (wrong.ErrorId == ErrorIds.WrongPassword)
        {
            return await fixture.OpenAsync(password: "two");
        }
    }

    /// <summary>Ends, and when with a failure, then with one of the product.</summary>
    private static async Task MayFailAsync(Func<Task> action, bool isOther = false)
    {
        try
        {
            await action().WaitAsync(s_limit);
        }
        catch (NataliaException) when (!isOther)
        {
        }
    }

    private async Task MakeAsync(byte[] disk)
    {
        using var fixture = new RepositoryFixture(FolderStore.Open(_folder["pristine"],
            create: true))
        { Password = "one", HasLockDirectory = false };
        using Repository repository = await fixture.CreateAsync();
        await repository.AddKeyAsync(Secret("two")!, "second", default);
        foreach (ApplianceDescription appliance in new[] { Appliance, s_victim })
        {
            for (int i = 0; i < 2; i++)
                await repository.BackupAsync(
                    Request(new MemoryDiskSource(i == 0 ? disk : Change(disk, 4, i))) with { Appliance = appliance },
                    null, null, default);
        }
        string catalog = $"appliances/{s_victim.ApplianceId}/catalog/free-000000000001-{new string('a', 32)}";
        await fixture.Store.PutAsync(catalog, new ObjectContent(new byte[1]), PutOptions.Metadata, default);
    }

    private static void CopyFolder(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string folder in Directory.GetDirectories(from, "*", SearchOption.AllDirectories))
            Directory.CreateDirectory(to + folder.Substring(from.Length));
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
            File.Copy(file, to + file.Substring(from.Length));
    }
}
