using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Mounts;

/// <summary>The mounts of one runspace. All members may be called from any thread.</summary>
internal sealed class MountTable
{
    private readonly object _gate = new();
    private readonly List<Mount> _mounts = [];

    /// <summary>All of them, in the order in which they were made.</summary>
    internal IReadOnlyList<Mount> All
    {
        get { lock (_gate) return [.. _mounts]; }
    }

    internal void Add(Mount mount)
    {
        lock (_gate) _mounts.Add(mount);
    }

    /// <summary>The mount of an id, or of the only one that begins so.</summary>
    /// <exception cref="NataliaException"><c>MountNotFound</c>.</exception>
    internal Mount Get(string id)
    {
        List<Mount> found = [.. All.Where(m => m.MountId.StartsWith(id, StringComparison.OrdinalIgnoreCase))];
        return found.Count == 1 && id.Length >= 4
            ? found[0]
            : throw new NataliaException(ErrorIds.MountNotFound, NataliaErrorKind.NotFound,
                found.Count > 1
                    ? $"The ids of {found.Count} mounts begin with '{id}'."
                    : $"This session serves nothing with the id '{id}'.", id,
                "Get-NataliaMount lists what this PowerShell session serves; other sessions have their own.");
    }

    /// <summary>Ends a mount. Not an error when it has ended already.</summary>
    /// <returns>What a person should know of what was lost, in a sentence; null when nothing was.</returns>
    internal string? Remove(Mount mount)
    {
        lock (_gate) _mounts.Remove(mount);
        mount.Dispose();
        return mount.Loss;
    }

    /// <summary>Ends the mounts that read through a repository's session.</summary>
    /// <returns>What a person should know of what was lost, in sentences.</returns>
    internal IReadOnlyList<string> RemoveOf(string repository)
    {
        List<string> losses = [];
        foreach (Mount mount in All)
        {
            if (string.Equals(mount.Repository, repository, StringComparison.OrdinalIgnoreCase)
                && Remove(mount) is string loss)
                losses.Add(loss);
        }
        return losses;
    }

    internal void RemoveAll()
    {
        foreach (Mount mount in All) Remove(mount);
    }
}
