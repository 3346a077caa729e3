using System.Management.Automation;
using System.Runtime.InteropServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;

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
        if (IsRooted(path) && !StandsInFileSystem(session))
            return Checked(path, Path.GetFullPath(path));
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
        return Checked(path, full);
    }

    private static bool StandsInFileSystem(SessionState session)
    {
        try
        {
            return session.Path.CurrentLocation.Provider.Name == FileSystem;
        }
        catch (InvalidOperationException)
        {
            // A runspace that found no drive when it was opened stands nowhere.
            return false;
        }
    }

    /// <summary>
    /// On Windows one path can mean another file than it says, and two slashes can separate: what is asked for there is
    /// what it says, and is shown in one way.
    /// </summary>
    private static string Checked(string path, string full)
    {
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Windows)) return full;
        // What the user wrote as well: the engine may have dropped what Windows drops.
        int provider = path.IndexOf("::", StringComparison.Ordinal);
        string written = provider < 0 ? path : path.Substring(provider + 2);
        if ((WindowsPath.Flaw(written) ?? WindowsPath.Flaw(full)) is string flaw)
            throw new NataliaException(ErrorIds.PathNotSupported, NataliaErrorKind.InvalidArgument,
                $"'{path}' is not used: {flaw}.", path,
                "Choose another name.");
        return Path.GetFullPath(full);
    }

    private static bool IsRooted(string path) =>
        path.StartsWith(Path.DirectorySeparatorChar == '\\' ? @"\\" : "/", StringComparison.Ordinal);
}
