using Natalia.Backup.Engine.Format;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Connections;

/// <summary>What a session may be called, and what one is called that the user gave no name.</summary>
internal static class SessionName
{
    /// <summary>1 to 64 characters, no wildcards, not to be mistaken for an id.</summary>
    internal static bool IsValid(string? name) =>
        name is { Length: >= 1 and <= 64 } && name.Trim().Length == name.Length && !name.Any(char.IsControl)
        && !NamePattern.CanBeWildcard(name) && !ApplianceIdentity.IsValid(name);

    /// <summary>The folder's own name, as far as it can be one.</summary>
    internal static string FromPath(string path, string fallback)
    {
        string last = Path.GetFileName(path.TrimEnd(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar))
            .Trim();
        return IsValid(last) ? last : fallback;
    }
}
