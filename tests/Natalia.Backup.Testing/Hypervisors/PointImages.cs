using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>A restore point of a VM with a system and a data disk, that lies in memory.</summary>
public static class PointImages
{
    public static readonly IReadOnlyDictionary<string, byte[]> Disks = new Dictionary<string, byte[]>
    {
        ["system"] = Bytes(1, 5000),
        ["data"] = Bytes(2, 70_000),
    };

    /// <summary>The point.</summary>
    /// <param name="onDisk">Called when a disk is begun; or null.</param>
    public static RestoreSource.PointImage Create(Action<string>? onDisk = null)
    {
        var appliance = new ApplianceDescription
        {
            ApplianceId = new string('a', 32),
            Name = "natalia",
            HypervisorKind = "Memory",
            Networks = [new ApplianceNetwork("lan"), new ApplianceNetwork("lan")],
            Disks = [.. Disks.Select(d => new ApplianceDisk(d.Key, DiskRole.Unknown, d.Value.Length))],
        };
        var point = new RestorePoint
        {
            RestorePointId = new string('b', 32),
            ApplianceId = appliance.ApplianceId,
            ApplianceName = appliance.Name,
            RepositoryId = new string('c', 32),
            Repository = "nas",
            RepositoryKind = "Folder",
            TimeUtc = DateTime.UnixEpoch,
        };
        return new RestoreSource.PointImage(point, appliance, async (diskId, target, progress, cancellationToken) =>
        {
            byte[] bytes = Disks[diskId];
            await target.BeginAsync(bytes.Length, cancellationToken);
            onDisk?.Invoke(diskId);
            for (int at = 0; at < bytes.Length; at += 32 << 10)
                await target.WriteAsync(at, bytes.AsMemory(at, Math.Min(32 << 10, bytes.Length - at)),
                    cancellationToken);
            await target.CompleteAsync(cancellationToken);
        });
    }

    private static byte[] Bytes(int seed, int count)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
