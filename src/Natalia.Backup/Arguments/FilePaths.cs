using System.Management.Automation;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Arguments;

/// <summary>
/// Turns a path as a user writes it (relative to where the prompt stands, <c>~</c>, a PowerShell drive) into a full
/// path of the file system. Taken literally: wildcards mean themselves.
/// </summary>
internal static class FilePaths
{
    private const string FileSystem = "FileSystem";

    /// <summary>The full path. Call it on the pipeline thread.</summary>
    /// <param name="session">The session's state, which knows locations and drives.</param>
    /// <param name="path">What the user wrote.</param>
    /// <exception cref="NataliaException"><c>PathNotSupported</c>.</exception>
    internal static string Resolve(SessionState session, string path)
    {
        // Where the prompt stands in the registry or among certificates, PowerShell takes these for paths in there.
        if (IsRooted(path) && session.Path.CurrentLocation.Provider.Name != FileSystem) return Path.GetFullPath(path);
        string full;
        ProviderInfo provider;
        try
        {
            full = session.Path.GetUnresolvedProviderPathFromPSPath(path, out provider, out _);
        }
        catch (Exception e)
            when (e is System.Management.Automation.DriveNotFoundException or ProviderNotFoundException
                or ProviderInvocationException or NotSupportedException or ArgumentException)
        {
            throw new NataliaException(ErrorIds.PathNotSupported, NataliaErrorKind.InvalidArgument,
                $"'{path}' is not a path: {e.Message}", path, innerException: e);
        }
        if (!string.Equals(provider.Name, FileSystem, StringComparison.OrdinalIgnoreCase))
            throw new NataliaException(ErrorIds.PathNotSupported, NataliaErrorKind.InvalidArgument,
                $"'{path}' is a path of {provider.Name}, not of the file system.", path);
        return full;
    }

    private static bool IsRooted(string path) =>
        path.StartsWith(Path.DirectorySeparatorChar == '\\' ? @"\\" : "/", StringComparison.Ordinal);
}
