using System.Text;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Leases;

/// <summary>
/// A file on this machine that the operating system unlocks when its holder dies. It tells at once whether a lease's
/// holder on this machine still lives, so that a run after a kill need not wait. It never decides alone who may write:
/// the lease in the store does.
/// </summary>
internal sealed class LocalLock : IDisposable
{
    /// <summary>
    /// Of so many an eighth is kept: enough for holders that were killed between writing here and claiming the lease.
    /// </summary>
    private const int RememberedNonces = 64;

    private readonly FileStream _file;

    private LocalLock(FileStream file, IReadOnlyList<string> earlier, string nonce)
    {
        _file = file;
        Earlier = earlier;
        Nonce = nonce;
    }

    /// <summary>
    /// What earlier holders wrote: a lease that names one of these is dead, for its holder would still have the lock.
    /// </summary>
    internal IReadOnlyList<string> Earlier { get; }

    /// <summary>What this holder wrote.</summary>
    internal string Nonce { get; }

    /// <summary>Takes the lock.</summary>
    /// <param name="directory">Where lock files lie on this machine.</param>
    /// <param name="repositoryId">The repository.</param>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="isHeld">True when another living process of this machine has it.</param>
    /// <returns>The lock; null when another has it, or when this machine has no place for lock files.</returns>
    internal static LocalLock? TryTake(string? directory, string repositoryId, string applianceId, out bool isHeld)
    {
        isHeld = false;
        if (directory is null) return null;
        string path = Path.Combine(directory, repositoryId + "-" + applianceId + ".lock");
        FileStream file;
        try
        {
            Directory.CreateDirectory(directory);
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
        catch (IOException failure)
        {
            // Held by another process, or there is no room, or the place is read-only: either way nothing can be said
            // of the dead.
            isHeld = IsSharingViolation(failure) && File.Exists(path);
            return null;
        }
        try
        {
            string text;
            using (var reader = new StreamReader(file, Encoding.ASCII, false, 1024, leaveOpen: true))
                text = reader.ReadToEnd();
            string[] earlier = text.Split(['\n'], StringSplitOptions.RemoveEmptyEntries);
            string nonce = Id128.NewRandom().ToString();
            // Appended: a kill here must not lose what earlier holders wrote. Their number is cut only now and then.
            if (earlier.Length >= RememberedNonces)
            {
                earlier = earlier.Skip(earlier.Length - RememberedNonces / 8).ToArray();
                file.SetLength(0);
            }
            byte[] lines = Encoding.ASCII.GetBytes(file.Length == 0
                ? string.Join("\n", earlier.Concat([nonce])) + "\n"
                : "\n" + nonce + "\n");
            file.Seek(0, SeekOrigin.End);
            file.Write(lines, 0, lines.Length);
            StableFile.Flush(file);
            return new LocalLock(file, earlier, nonce);
        }
        catch (IOException)
        {
            file.Dispose();
            return null;
        }
    }

    /// <summary>The per-user place for lock files on this machine, or null when the user has none.</summary>
    internal static string? DefaultDirectory()
    {
        string root = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData);
        if (root.Length == 0) root = Path.GetTempPath();
        return Path.Combine(root, "Natalia.Backup", "locks");
    }

    /// <summary>
    /// Windows says 32 or 33, Linux EWOULDBLOCK (11), macOS the same (35); class libraries other than .NET's own say
    /// what Windows says.
    /// </summary>
    private static bool IsSharingViolation(IOException failure) =>
        failure.HResult is 11 or 35 or unchecked((int)0x80070020) or unchecked((int)0x80070021);

    public void Dispose() => _file.Dispose();
}
