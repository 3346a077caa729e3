using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Connections;

/// <summary>What earlier commands of the runspace have shown. Completion reads it, and opens nothing.</summary>
internal sealed class CompletionCache
{
    private const int Limit = 2000;
    private const string RepositoryMark = "repository ";

    private readonly object _gate = new();
    private readonly Dictionary<string, string> _applianceNames = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, RestorePoint> _points = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _namesById = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, (string Appliance, string DiskId, string About)> _disks =
        new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, RepositoryKey> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _networks = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Names of appliances, each with a line about it.</summary>
    internal IReadOnlyList<KeyValuePair<string, string>> ApplianceNames
    {
        get { lock (_gate) return [.. _applianceNames.OrderBy(p => p.Key, StringComparer.OrdinalIgnoreCase)]; }
    }

    /// <summary>Ids of appliances, each with what it was called when it was last seen.</summary>
    internal IReadOnlyList<KeyValuePair<string, string>> ApplianceIds
    {
        get
        {
            lock (_gate)
                return [.. _namesById.Where(p => !p.Key.StartsWith(RepositoryMark, StringComparison.OrdinalIgnoreCase))
                    .OrderBy(p => p.Value, StringComparer.OrdinalIgnoreCase)];
        }
    }

    /// <summary>Restore points, newest first.</summary>
    internal IReadOnlyList<RestorePoint> RestorePoints
    {
        get { lock (_gate) return [.. _points.Values.OrderByDescending(p => p)]; }
    }

    /// <summary>The disks of appliances, by the appliance's name, each with a line about it.</summary>
    internal IReadOnlyList<(string Appliance, string DiskId, string About)> Disks
    {
        get { lock (_gate) return [.. _disks.Values.OrderBy(d => d.DiskId, StringComparer.OrdinalIgnoreCase)]; }
    }

    /// <summary>The passwords of repositories that were listed.</summary>
    internal IReadOnlyList<RepositoryKey> Keys
    {
        get { lock (_gate) return [.. _keys.Values.OrderBy(k => k.KeyId, StringComparer.Ordinal)]; }
    }

    /// <summary>Names of networks that VMs were seen on, each with the one that was seen there last.</summary>
    internal IReadOnlyList<KeyValuePair<string, string>> Networks
    {
        get { lock (_gate) return [.. _networks.OrderBy(n => n.Key, StringComparer.OrdinalIgnoreCase)]; }
    }

    /// <summary>What the appliance with this id was called when it was last seen; null when it never was.</summary>
    internal string? NameOf(string applianceId)
    {
        lock (_gate) return _namesById.TryGetValue(applianceId, out string? name) ? name : null;
    }

    /// <summary>What the repository with this id was called when it was last seen; null when it never was.</summary>
    internal string? RepositoryNameOf(string repositoryId) => NameOf(RepositoryMark + repositoryId);

    /// <summary>A repository that was connected, or that something came from.</summary>
    internal void RememberRepository(string repositoryId, string name) =>
        RememberName(RepositoryMark + repositoryId, name);

    /// <summary>An appliance that was shown or given: by its id its name is known from now on.</summary>
    internal void RememberName(string applianceId, string name)
    {
        lock (_gate)
        {
            if (_namesById.Count < Limit) _namesById[applianceId] = name;
        }
    }

    internal void Remember(ApplianceDescription appliance)
    {
        RememberAppliance(appliance.Name,
            $"{appliance.HypervisorKind}, {Plural.Count(appliance.Disks.Count, "disk")}");
        RememberName(appliance.ApplianceId, appliance.Name);
        foreach (ApplianceDisk disk in appliance.Disks) RememberDisk(appliance.Name, disk.DiskId, disk.ToString());
        lock (_gate)
        {
            foreach (ApplianceNetwork network in appliance.Networks)
                if (_networks.Count < Limit && network.Name.Length > 0)
                    _networks[network.Name] = $"of {appliance.Name}";
        }
    }

    internal void Remember(RepositoryKey key)
    {
        lock (_gate)
        {
            if (_keys.Count < Limit) _keys[key.KeyId] = key;
        }
    }

    private void RememberDisk(string appliance, string diskId, string about)
    {
        lock (_gate)
        {
            if (_disks.Count < Limit) _disks[appliance + "\n" + diskId] = (appliance, diskId, $"{appliance}: {about}");
        }
    }

    internal void RememberAppliance(string name, string about)
    {
        lock (_gate)
        {
            if (_applianceNames.Count < Limit) _applianceNames[name] = about;
        }
    }

    internal void Remember(RestorePoint point)
    {
        lock (_gate)
        {
            if (_points.Count < Limit) _points[point.RestorePointId] = point;
        }
        RememberName(point.ApplianceId, point.ApplianceName);
        RememberRepository(point.RepositoryId, point.Repository);
        foreach (RestorePointDisk disk in point.Disks)
            RememberDisk(point.ApplianceName, disk.DiskId, disk.ToString() ?? disk.DiskId);
    }

    internal void Forget(string restorePointId)
    {
        lock (_gate) _points.Remove(restorePointId);
    }

    internal void Clear()
    {
        lock (_gate)
        {
            _applianceNames.Clear();
            _points.Clear();
            _namesById.Clear();
            _disks.Clear();
            _keys.Clear();
            _networks.Clear();
        }
    }
}
