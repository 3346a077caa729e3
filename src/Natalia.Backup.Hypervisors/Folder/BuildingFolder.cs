using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>
/// The hidden folder of a VM that is being built. Its name is the record of the building, so that both are made in one
/// step: <c>.natalia-building.ID.TIME.BUILDING</c>. It loses the record in one step, too, when it gets the VM's name.
/// </summary>
/// <param name="Path">The folder.</param>
/// <param name="NativeId">The VM's id.</param>
/// <param name="BuildId">The building's.</param>
/// <param name="StartedUtc">When it began, UTC.</param>
internal sealed record BuildingFolder(string Path, string NativeId, string BuildId, DateTime StartedUtc)
{
    private const string Prefix = ".natalia-building.";

    /// <summary>A new one, not made yet.</summary>
    /// <exception cref="ArgumentException">The building's id cannot be a part of a name.</exception>
    internal static BuildingFolder Create(string location, string nativeId, string buildId, DateTime startedUtc)
    {
        if (buildId.Length is 0 or > 64 || !buildId.All(c => char.IsLetterOrDigit(c) && c < 128 || c == '-'))
            throw new ArgumentException("A building's id has 1 to 64 letters, digits and hyphens.", nameof(buildId));
        string name = $"{Prefix}{nativeId}.{MarkTime.ToText(startedUtc)}.{buildId}";
        return new BuildingFolder(System.IO.Path.Combine(location, name), nativeId, buildId, startedUtc);
    }

    /// <summary>Those that are there.</summary>
    internal static IReadOnlyList<BuildingFolder> FindAll(string location)
    {
        try
        {
            // Chosen here: what a system takes for a match of a name with dots is its own affair.
            return [.. Directory.EnumerateDirectories(location)
                .Where(f => System.IO.Path.GetFileName(f).StartsWith(Prefix, StringComparison.Ordinal))
                .Select(Parse).OfType<BuildingFolder>()];
        }
        catch (IOException)
        {
            // It is gone, or is one OVA, in which nothing is built.
            return [];
        }
    }

    /// <summary>What the VM is to be called, as far as that was written.</summary>
    internal string ReadName()
    {
        try
        {
            return DescriptionFile.Read(Path)?.Name ?? "";
        }
        catch (Exception e) when (e is NataliaException or IOException or UnauthorizedAccessException)
        {
            // Half written: its folder tells what it is.
            return "";
        }
    }

    private static BuildingFolder? Parse(string path)
    {
        string[] parts = System.IO.Path.GetFileName(path).Substring(Prefix.Length).Split('.');
        return parts.Length == 3 && MarkTime.TryParse(parts[1]) is DateTime started
            ? new BuildingFolder(path, parts[0], parts[2], started)
            : null;
    }
}
