using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>The volumes of a host and their free room, as far as it tells them to this user.</summary>
internal sealed class HostVolumes
{
    private const string SystemNamespace = "root/cimv2", Cluster = @"C:\ClusterStorage\";

    private readonly List<(string Name, long? FreeBytes)> _volumes = [];

    private HostVolumes() { }

    /// <summary>
    /// Reads them: drives, volumes that are mounted in a folder and those of a cluster, each with its path; where this
    /// user is shown none of them, the drives.
    /// </summary>
    internal static async Task<HostVolumes> ReadAsync(HyperVHost host, CancellationToken cancellationToken)
    {
        var volumes = new HostVolumes();
        await volumes.AddAsync(host, "Win32_Volume", "Name", cancellationToken).ConfigureAwait(false);
        if (volumes._volumes.Count == 0)
            await volumes.AddAsync(host, "Win32_LogicalDisk", "DeviceID", cancellationToken).ConfigureAwait(false);
        return volumes;
    }

    /// <summary>The volume that a file is on, and its free room in bytes; null when that is not told.</summary>
    internal (string Name, long? FreeBytes) Find(string path)
    {
        if (path.StartsWith(@"\\?\UNC\", StringComparison.OrdinalIgnoreCase)) path = @"\\" + path.Substring(8);
        else if (path.StartsWith(@"\\?\", StringComparison.Ordinal)) path = path.Substring(4);
        (string Name, long? FreeBytes) found = _volumes
            .Where(v => path.StartsWith(v.Name + @"\", StringComparison.OrdinalIgnoreCase))
            .OrderByDescending(v => v.Name.Length).FirstOrDefault();
        // What lies there is on a volume of the cluster, and not on the drive that shows it.
        bool isClusters = path.StartsWith(Cluster, StringComparison.OrdinalIgnoreCase);
        return found.Name is not null && !(isClusters && found.Name.Length < Cluster.Length) ? found
            : (RootOf(path, isClusters ? Cluster.Length : path.StartsWith(@"\\", StringComparison.Ordinal) ? 2 : 0),
                null);
    }

    /// <summary>The first part of a path behind what every such path has; of a share with the share's name.</summary>
    private static string RootOf(string path, int from)
    {
        int end = path.IndexOf('\\', from);
        if (from == 2 && end >= 0) end = path.IndexOf('\\', end + 1);
        return end < 0 ? path : path.Substring(0, end);
    }

    private async Task AddAsync(HyperVHost host, string className, string key, CancellationToken cancellationToken)
    {
        try
        {
            foreach (CimRow row in await host.QueryAsync(Wql.All(className), cancellationToken, SystemNamespace)
                .ConfigureAwait(false))
                if (row.Text(key)?.TrimEnd('\\') is { Length: > 0 } name)
                    _volumes.Add((name, row.Number("FreeSpace")));
        }
        catch (NataliaException e) when (e.Kind is not NataliaErrorKind.Connection)
        {
            // What is not told is told as such for each disk.
        }
    }
}
