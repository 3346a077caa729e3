using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Operations.Exports;

/// <summary>
/// Where an export goes: the file that the user named, or a file with a speaking name in the folder that the user
/// named.
/// </summary>
internal static class ExportDestination
{
    /// <summary>The file's full path.</summary>
    /// <param name="path">A full path: of a file, or of a folder that is there.</param>
    /// <param name="name">The file's name in a folder.</param>
    internal static string GetFile(string path, string name) =>
        Directory.Exists(path) ? Path.Combine(path, name) : path;

    /// <summary>A time as a part of a file's name.</summary>
    internal static string Stamp(DateTime utc) => utc.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);

    /// <summary>Refuses early what the writing would refuse late.</summary>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationWriteFailed</c>.</exception>
    internal static void EnsureWritable(string file, bool overwrite)
    {
        // What is renamed over a device takes its place for everybody; File.Exists is true of one.
        if (FileMove.IsSpecial(file))
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.InvalidArgument,
                $"'{file}' is not a file but a device or the like.", file, "Name the file to make.");
        if (!overwrite && File.Exists(file))
            throw new NataliaException(ErrorIds.DestinationExists, NataliaErrorKind.AlreadyExists,
                $"The file '{file}' exists.", file, "Name another one, or say -Force to replace it.");
        if (Path.GetDirectoryName(file) is string folder && !Directory.Exists(folder))
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.NotFound,
                $"There is no folder '{folder}'.", file, "Make it first.");
    }
}
