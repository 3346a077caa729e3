using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Connections;

/// <summary>What earlier commands of the runspace have shown. Completion reads it, and opens nothing.</summary>
internal sealed class CompletionCache
{
    private const int Limit = 2000;

    private readonly object _gate = new();
    private readonly Dictionary<string, string> _applianceNames = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, RestorePoint> _points = new(StringComparer.Ordinal);

    /// <summary>Names of appliances, each with a line about it.</summary>
    internal IReadOnlyList<KeyValuePair<string, string>> ApplianceNames
    {
        get { lock (_gate) return [.. _applianceNames.OrderBy(p => p.Key, StringComparer.OrdinalIgnoreCase)]; }
    }

    /// <summary>Restore points, newest first.</summary>
    internal IReadOnlyList<RestorePoint> RestorePoints
    {
        get { lock (_gate) return [.. _points.Values.OrderByDescending(p => p)]; }
    }

    internal void Remember(ApplianceDescription appliance) =>
        RememberAppliance(appliance.Name, $"{appliance.HypervisorKind}, {appliance.Disks.Count} disk(s)");

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
        }
    }
}
