using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Builds;

/// <summary>The folder for the disks of one VM that is built: named by its record, and removed with it.</summary>
internal static class MachineFolder
{
    private const string Prefix = "natalia-";

    /// <summary>A path for a new folder, as the host has it: it is not made yet.</summary>
    /// <param name="host">The host.</param>
    /// <param name="storage">The folder to make it in; null for the host's own folder for disks.</param>
    internal static async Task<string> ChooseAsync(HyperVHost host, string? storage,
        CancellationToken cancellationToken)
    {
        if (storage is null)
        {
            IReadOnlyList<CimRow> settings = await host.QueryAsync(
                Wql.All("Msvm_VirtualSystemManagementServiceSettingData"), cancellationToken).ConfigureAwait(false);
            storage = settings.Select(s => s.Text("DefaultVirtualHardDiskPath")).FirstOrDefault(p => p is not null);
        }
        else if (!Directory.Exists(host.Files.ToLocal(storage)))
            throw new NataliaException(ErrorIds.StorageNotFound, NataliaErrorKind.NotFound,
                $"The Hyper-V host '{host.Name}' has no folder '{storage}'.", storage,
                "Name a folder as the host has it, such as D:\\VMs or C:\\ClusterStorage\\Volume1.");
        return storage is null
            ? throw new NataliaException(ErrorIds.StorageNotFound, NataliaErrorKind.NotFound,
                $"The Hyper-V host '{host.Name}' does not say where its disks go.", host.Name,
                "Name a folder of the host: -Storage D:\\VMs.")
            : storage.TrimEnd('\\') + "\\" + Prefix + Guid.NewGuid().ToString("N");
    }

    /// <summary>Whether a disk lies in the folder, by what the host says of it.</summary>
    internal static bool Holds(string folder, DiskSlot disk) => disk.Obstacle is null
        && disk.Path?.StartsWith(folder + "\\", StringComparison.OrdinalIgnoreCase) == true
        && !disk.Path.Contains("..");

    internal static void Create(HyperVHost host, string folder) => Try(folder, "made", () =>
        Directory.CreateDirectory(host.Files.ToLocal(folder)));

    /// <summary>Removes the folder with all that is in it; one that is none of ours is left alone.</summary>
    internal static Task RemoveAsync(HyperVHost host, string folder, CancellationToken cancellationToken) =>
        Task.Run(() => Try(folder, "removed", () =>
        {
            string name = folder.Substring(folder.LastIndexOf('\\') + 1);
            bool isOurs = name.StartsWith(Prefix, StringComparison.Ordinal)
                && Guid.TryParseExact(name.Substring(Prefix.Length), "N", out _);
            string local = host.Files.ToLocal(folder);
            if (isOurs && Directory.Exists(local)) Directory.Delete(local, recursive: true);
        }), cancellationToken);

    private static void Try(string folder, string what, Action deed)
    {
        try
        {
            deed();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
                $"The folder '{folder}' could not be {what}: {e.Message}", folder,
                "Check the room there, and the rights of this user on the host.", e);
        }
    }
}
