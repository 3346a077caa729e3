using Natalia.Backup.Arguments;

namespace Natalia.Backup.Sessions;

/// <summary>A name for a session that the user gave none.</summary>
internal static class SessionName
{
    /// <summary>The folder's own name, as far as it can be one.</summary>
    internal static string FromPath(string path, string fallback)
    {
        string last = Path.GetFileName(path.TrimEnd(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar)).Trim();
        return ValidateSessionNameAttribute.IsValid(last) ? last : fallback;
    }
}
