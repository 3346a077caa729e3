using System.Text;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// The partial files of images: <c>name.raw.1a2b3c4d5e6f7a8b.partial</c>, beside the image that they become. The first
/// half of the mark tells the machine, the second one is the file's own. Whoever writes one has it open for nobody
/// else; an export that is killed leaves it behind, as large as a disk.
/// </summary>
public static class PartialFiles
{
    private const string Extension = ".partial";
    private const int MachineLength = 8, MarkLength = MachineLength + 8;

    /// <summary>Leaves room for the rest within the 255 bytes that a name may have.</summary>
    private const int MostOfName = 64;

    /// <summary>A writer lets go of its file a moment before it gives it the image's name.</summary>
    private static readonly TimeSpan s_settle = TimeSpan.FromSeconds(1);

    private static readonly string s_machine = MarkOfMachine();

    private enum State
    {
        /// <summary>Somebody writes it, or it is gone, or no export made it.</summary>
        NotOurs,
        /// <summary>Nobody writes it, as far as can be seen from here.</summary>
        Free,
        /// <summary>This user may not touch it.</summary>
        Forbidden,
    }

    /// <summary>
    /// Deletes the partial files that nobody writes any more. What some process holds stays, and is not told of. Takes
    /// a second where there is one.
    /// </summary>
    /// <param name="folder">Where to look.</param>
    /// <param name="isWanted">Decides by the name of the image, of which a long one is cut to its first 64
    /// characters.</param>
    /// <param name="clock">The clock, for waiting only.</param>
    /// <returns>What was left behind, by name: each deleted, or to be deleted by the user.</returns>
    public static async Task<IReadOnlyList<PartialFile>> RemoveStaleAsync(string folder, Func<string, bool> isWanted,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        List<string> left = [.. List(folder)
            .Where(path => ImageOf(Path.GetFileName(path)) is string image && isWanted(image)
                && Probe(path) != State.NotOurs)];
        if (left.Count == 0) return [];
        await clock.WaitAsync(s_settle, cancellationToken).ConfigureAwait(false);
        var found = new List<PartialFile>();
        foreach (string path in left)
        {
            bool isProof = HoldsAreSeen(path);
            State state = isProof ? Remove(path) : Probe(path);
            if (state != State.NotOurs) found.Add(new PartialFile(path, isProof && !File.Exists(path)));
        }
        return found;
    }

    /// <summary>The name of an image as it stands in the names of its partial files.</summary>
    /// <param name="path">The image's path.</param>
    public static string NameFor(string path)
    {
        string name = Path.GetFileName(path);
        return name.Length > MostOfName
            ? name.Substring(0, char.IsHighSurrogate(name[MostOfName - 1]) ? MostOfName - 1 : MostOfName)
            : name;
    }

    /// <summary>A name of its own beside the image, so that the last step is a rename within one file system.</summary>
    internal static string NewPath(string path) =>
        Path.Combine(Path.GetDirectoryName(path) ?? path,
            $"{NameFor(path)}.{s_machine}{Guid.NewGuid().ToString("N").Substring(0, MarkLength - MachineLength)}"
            + $"{Extension}");

    private static string? ImageOf(string partial)
    {
        int rest = MarkLength + 1 + Extension.Length, image = partial.Length - rest;
        if (image <= 0 || !partial.EndsWith(Extension, StringComparison.Ordinal) || partial[image] != '.') return null;
        return MarkOf(partial).All(c => c is >= '0' and <= '9' or >= 'a' and <= 'f')
            ? partial.Substring(0, image)
            : null;
    }

    private static string MarkOf(string partial) =>
        partial.Substring(partial.Length - Extension.Length - MarkLength, MarkLength);

    private static string MarkOfMachine() =>
        Hash256.Of(Encoding.UTF8.GetBytes(Environment.MachineName.ToUpperInvariant() + "\n" + MachineId())).ToString()
            .Substring(0, MachineLength);

    /// <summary>Tells machines of one name apart, where the system has such an id.</summary>
    private static string MachineId()
    {
        const string file = "/etc/machine-id";
        try
        {
            return !Platform.IsWindows && File.Exists(file) ? File.ReadAllText(file).Trim() : "";
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            // The name alone has to do.
            return "";
        }
    }

    private static IReadOnlyList<string> List(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFiles(folder, "*" + Extension).OrderBy(f => f, StringComparer.Ordinal)];
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            // The writing says what is wrong with the folder.
            return [];
        }
    }

    /// <summary>Looks without a change: a writer can give the file its name meanwhile.</summary>
    private static State Probe(string path) => Try(() =>
    {
        var file = new FileInfo(path);
        // One that was made this moment is not held yet; it has no length yet either. And no export makes links: what
        // they lead to is something else.
        if (file.Length == 0 || (file.Attributes & FileAttributes.ReparsePoint) != 0) return State.NotOurs;
        using (new FileStream(path, FileMode.Open, FileAccess.ReadWrite,
            Platform.IsWindows ? FileShare.Delete : FileShare.None, 1))
            return State.Free;
    });

    private static State Remove(string path) => Try(() =>
    {
        using (new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose))
            return State.Free;
    });

    private static State Try(Func<State> what)
    {
        try
        {
            return what();
        }
        catch (UnauthorizedAccessException)
        {
            return State.Forbidden;
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            return State.NotOurs;
        }
    }

    /// <summary>
    /// Windows enforces who may open a file, on shares as well. Elsewhere a lock of another machine may not be seen
    /// through a share, neither by those who use it nor by the machine whose folder it is.
    /// </summary>
    private static bool HoldsAreSeen(string path)
    {
        if (Platform.IsWindows) return true;
        if (!MarkOf(Path.GetFileName(path)).StartsWith(s_machine, StringComparison.Ordinal)) return false;
#if NET8_0_OR_GREATER
        return new DriveInfo(path).DriveType is DriveType.Fixed or DriveType.Ram or DriveType.Removable;
#else
        return true;
#endif
    }
}
