using System.Security.Cryptography;
using System.Text.Json;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Format;

/// <summary>
/// Makes a small repository with one of everything that the format has, and says what must come out of it.
/// </summary>
internal static class GoldenMaker
{
    internal static async Task<IReadOnlyList<GoldenPoint>> MakeAsync(string path, string? password)
    {
        using var store = FolderStore.Open(path, create: true);
        // With the real cost of a password, and as one worker would write it.
        var options = new RepositoryOptions
        {
            Label = "golden",
            LockDirectory = null,
            Workers = 1,
            CheckpointBytes = 1,
        };
        var points = new List<GoldenPoint>();
        using Repository repository = await Repository.CreateAsync(store, Secret(password), options, default);
        await repository.SetApplianceSettingsAsync(new ApplianceSettings
        {
            ApplianceId = Appliance.ApplianceId,
            Name = Appliance.Name,
            HypervisorKind = "Folder",
            DataDiskId = "scsi1",
        }, default);
        await repository.SetRetentionPolicyAsync(null, null, new RetentionPolicy { Daily = 7, Weekly = 4, Monthly = 3 },
            default);

        byte[] data = Disk((17 << 20) + 512, 12, 1), system = Disk(1 << 20, 3, 2);
        RestorePoint first = await BackupAsync(repository, RequestedBackupType.Full, ("scsi1", data, null));
        // Most of the first pack dies with it, so that it is rewritten.
        for (int i = 0; i < 10; i++) Fill(data, i, 3 + i);
        var states = new Dictionary<string, byte[]> { ["token-1"] = (byte[])data.Clone() };
        Keep(await BackupAsync(repository, RequestedBackupType.Full, ("scsi0", system, null),
            ("scsi1", data, new("token-1", states))),
            system, data);
        Fill(data, 4, 20);
        Fill(data, 11, 21);
        RestorePoint incremental = await BackupAsync(repository, RequestedBackupType.Incremental,
            ("scsi1", data, new("token-2", states)));
        Assert.Equal(BackupType.Incremental, incremental.Type);
        Keep(await repository.SetProtectionAsync(incremental, true, "The state before the update.", default), null,
            data);
        Fill(system, 1, 30);
        byte[] shorter = data[..((9 << 20) + 1)];
        Keep(await BackupAsync(repository, RequestedBackupType.Auto, ("scsi0", system, null), ("scsi1", shorter, null)),
            system, shorter);
        byte[] empty = new byte[100_000];
        Keep(await BackupAsync(repository, RequestedBackupType.Auto, ("scsi1", empty, null)), null, empty);
        Keep(await BackupAsync(repository, RequestedBackupType.Auto, ("scsi1", shorter, null)), null, shorter);
        await repository.RemoveRestorePointAsync(first, "It is the oldest.", default);
        await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        Assert.Contains(Directory.GetFiles(path, "*.r1", SearchOption.AllDirectories), _ => true);
        // Another appliance's first full died: a checkpoint without a point.
        ApplianceDescription other = Appliance with
        {
            ApplianceId = ApplianceIdentity.Create("Folder", "", "another"),
            Name = "natalia-lyon",
        };
        var dying = new MemoryDiskSource(Disk(33 << 20, 12, 40))
        {
            OnRead = (offset, _) =>
        {
            if (offset >= 24 << 20) throw new IOException("The disk has gone.");
        }
        };
        await Assert.ThrowsAnyAsync<Exception>(
            () => repository.BackupAsync(Request(dying) with { Appliance = other }, null, null, default));
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(path, "appliances", other.ApplianceId, "points")));
        return points;

        void Keep(RestorePoint point, byte[]? system, byte[] data)
        {
            var disks = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["scsi1"] = Sha256(data) };
            if (system is not null) disks["scsi0"] = Sha256(system);
            points.Add(new GoldenPoint(point.RestorePointId, point.Sequence!.Value, point.TimeUtc, point.Type,
                point.IsProtected, disks));
        }
    }

    internal static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static Task<RestorePoint> BackupAsync(Repository repository, RequestedBackupType type,
        params (string Id, byte[] Bytes, Tracking? Tracking)[] disks) =>
        repository.BackupAsync(new BackupRequest
        {
            Appliance = Appliance with
            {
                Disks = [.. disks.Select(d => new ApplianceDisk(d.Id, Role(d.Id), d.Bytes.Length))],
            },
            Disks = [.. disks
            .Select(d => new BackupDisk(d.Id, Role(d.Id),
                d.Tracking is null
                    ? new MemoryDiskSource((byte[])d.Bytes.Clone())
                    : new TrackedMemoryDiskSource((byte[])d.Bytes.Clone(), d.Tracking.Token, d.Tracking.States)))],
            RequestedType = type,
            TimeUtc = DateTime.UtcNow,
            Consistency = Consistency.FileSystem,
        }, null, null, default);

    private static DiskRole Role(string disk) => disk == "scsi0" ? DiskRole.System : DiskRole.Data;

    /// <summary>Zeros, with something in some blocks.</summary>
    private static byte[] Disk(int bytes, int filled, int seed)
    {
        var disk = new byte[bytes];
        for (int i = 0; i < filled; i++) Fill(disk, i, seed * 100 + i);
        return disk;
    }

    /// <summary>Fills one of 12 places all over the disk: what does not compress, and what does.</summary>
    private static void Fill(byte[] disk, int place, int seed)
    {
        int at = (int)((long)disk.Length * place / 12) & ~511;
        new Random(seed).NextBytes(disk.AsSpan(at, 1500));
        for (int i = 1500; i < 9000; i++) disk[at + i] = (byte)($"call record {seed} "[i % 14]);
    }

    private sealed record Tracking(string Token, IReadOnlyDictionary<string, byte[]> States);
}

/// <summary>What must come out of a golden repository for one point: its disks' SHA-256 by id.</summary>
internal sealed record GoldenPoint(string Point, long Sequence, DateTime TimeUtc, BackupType Type, bool IsProtected,
    IReadOnlyDictionary<string, string> Disks);

/// <summary>
/// A golden repository: its folder beside <c>expected.json</c>, its password, and what must come out.
/// </summary>
internal sealed record GoldenRepository(string Folder, string? Password, IReadOnlyList<GoldenPoint> Points)
{
    internal static string Encode(IReadOnlyList<GoldenRepository> repositories) =>
        JsonSerializer.Serialize(repositories, s_json) + "\n";

    internal static IReadOnlyList<GoldenRepository> Decode(string json) =>
        JsonSerializer.Deserialize<GoldenRepository[]>(json, s_json)!;

    private static readonly JsonSerializerOptions s_json = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter() },
    };
}
