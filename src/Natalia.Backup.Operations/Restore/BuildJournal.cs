using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Restore;

/// <summary>
/// Remembers on this machine which VMs are being built, in a file each that the system unlocks when its process dies.
/// So the next restore tells the unfinished VM of a dead process from one that somebody is building at this moment, and
/// removes only the former.
/// </summary>
/// <param name="folder">Where the files lie.</param>
internal sealed class BuildJournal(string folder)
{
    private const string Ending = ".json";

    /// <summary>The place of this user on this machine.</summary>
    internal static string DefaultFolder
    {
        get
        {
            string root = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData);
            return Path.Combine(root.Length == 0 ? Path.GetTempPath() : root, "Natalia.Backup", "restores");
        }
    }

    /// <summary>Notes that a building begins, before anything of it is made.</summary>
    /// <param name="buildId">Its id: 32 hexadecimal digits.</param>
    /// <param name="hypervisor">Where it is.</param>
    /// <exception cref="NataliaException"><c>DestinationWriteFailed</c>: nothing was made.</exception>
    internal Entry Begin(string buildId, HypervisorConnection hypervisor)
    {
        string path = Path.Combine(folder, buildId + Ending);
        try
        {
            Directory.CreateDirectory(folder);
            var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
            try
            {
                byte[] note = Write(hypervisor);
                file.Write(note, 0, note.Length);
                StableFile.Flush(file);
                return new Entry(file, path);
            }
            catch
            {
                Forget(file, path);
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
                $"Nothing is restored, because '{folder}' cannot be written, where it would be noted for the case that "
                + $"this process dies: {e.Message}",
                folder,
                "Give this user a folder for local application data (HOME or LOCALAPPDATA) that can be written.", e);
        }
    }

    /// <summary>
    /// Removes what restores of dead processes of this machine left unfinished on a hypervisor; what has all of its
    /// disks becomes an appliance.
    /// </summary>
    /// <param name="hypervisor">Where.</param>
    /// <param name="warn">Told of each VM that was removed or completed, or could not be.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal async Task SweepAsync(HypervisorConnection hypervisor, Action<string> warn,
        CancellationToken cancellationToken)
    {
        if (hypervisor.Hypervisor.Find<IApplianceBuilder>() is not IApplianceBuilder builder) return;
        if (!Directory.Exists(folder) || !Directory.EnumerateFiles(folder, "*" + Ending).Any()) return;
        string here = hypervisor.Session.Location;
        List<(FileStream File, string Path)> dead = TakeDead(hypervisor, (_, location) => location == here);
        try
        {
            IReadOnlyList<UnfinishedAppliance> unfinished =
                await builder.FindUnfinishedAsync(cancellationToken).ConfigureAwait(false);
            // A hypervisor is known by several addresses. A building's id is random: where its record is found, the
            // note belongs.
            HashSet<string> marked = [.. unfinished.Select(u => u.BuildId)];
            dead.AddRange(TakeDead(hypervisor, (id, location) => location != here && marked.Contains(id)));
            foreach ((FileStream file, string path) in dead)
            {
                string buildId = Path.GetFileNameWithoutExtension(path);
                bool isGone = marked.Contains(buildId) || IsNowhere(unfinished, hypervisor, warn);
                foreach (UnfinishedAppliance left in unfinished.Where(u => u.BuildId == buildId))
                    isGone &= await RemoveAsync(builder, left, hypervisor, warn, cancellationToken)
                        .ConfigureAwait(false);
                if (isGone) Forget(file, path);
            }
        }
        finally
        {
            foreach ((FileStream file, _) in dead) file.Dispose();
        }
    }

    /// <summary>Whether what is not found is not there: not seen is not gone.</summary>
    private static bool IsNowhere(IReadOnlyList<UnfinishedAppliance> unfinished, HypervisorConnection hypervisor,
        Action<string> warn)
    {
        IReadOnlyList<string> unseen = PartialCollection.UnseenOf(unfinished);
        if (unseen.Count == 0) return true;
        warn($"An earlier restore on '{hypervisor.Name}' was broken off, and whether it left an unfinished VM is not "
            + $"known, because not everything can be looked at now: {PartialCollection.Describe(unseen)}. The next "
            + "restore there looks again.");
        return false;
    }

    private static async Task<bool> RemoveAsync(IApplianceBuilder builder, UnfinishedAppliance left,
        HypervisorConnection hypervisor, Action<string> warn, CancellationToken cancellationToken)
    {
        string what = $"the unfinished VM {left.NativeId}{(left.Name.Length > 0 ? $" ('{left.Name}')" : "")} of "
            + $"{left.StartedUtc:yyyy-MM-dd HH:mm} UTC on '{hypervisor.Name}'";
        try
        {
            if (builder is IServedDiskBuilder served
                && await served.TryCompleteAsync(left, cancellationToken).ConfigureAwait(false))
            {
                warn($"An earlier restore was broken off when its VM {left.NativeId} ('{left.Name}') on "
                    + $"'{hypervisor.Name}' had all of its disks: it is an appliance now.");
                return true;
            }
            await builder.RemoveUnfinishedAsync(left, cancellationToken).ConfigureAwait(false);
            warn($"An earlier restore was broken off and had left {what}, which was removed.");
            return true;
        }
        catch (NataliaException e)
        {
            warn($"An earlier restore has left {what}, which could not be removed: {e.Message}");
            return false;
        }
    }

    /// <summary>The notes of such a hypervisor whose processes are gone, each locked now.</summary>
    /// <param name="hypervisor">The hypervisor.</param>
    /// <param name="wanted">Told the id of a building and where it was.</param>
    private List<(FileStream File, string Path)> TakeDead(HypervisorConnection hypervisor,
        Func<string, string, bool> wanted)
    {
        List<(FileStream, string)> dead = [];
        foreach (string path in Directory.EnumerateFiles(folder, "*" + Ending))
        {
            FileStream? file = null;
            try
            {
                file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
                if (LocationOf(hypervisor, file) is not string location
                    || !wanted(Path.GetFileNameWithoutExtension(path), location))
                    continue;
                dead.Add((file, path));
                file = null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // In the hands of a restore that runs, or gone with it a moment ago.
            }
            finally
            {
                file?.Dispose();
            }
        }
        return dead;
    }

    /// <summary>Where a building of such a hypervisor was; null when the note is of another kind, or none.</summary>
    private static string? LocationOf(HypervisorConnection hypervisor, FileStream file)
    {
        try
        {
            using var reader = new StreamReader(file, Encoding.UTF8, false, 1024, leaveOpen: true);
            using JsonDocument document = JsonDocument.Parse(reader.ReadToEnd());
            return document.RootElement.GetProperty("kind").GetString() == hypervisor.Session.Kind
                ? document.RootElement.GetProperty("location").GetString()
                : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // Its process died while it wrote the note, before anything was made.
            return null;
        }
    }

    private static byte[] Write(HypervisorConnection hypervisor)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory))
        {
            json.WriteStartObject();
            json.WriteString("kind", hypervisor.Session.Kind);
            json.WriteString("location", hypervisor.Session.Location);
            json.WriteEndObject();
        }
        return memory.ToArray();
    }

    private static void Forget(FileStream file, string path)
    {
        // On Windows a file that is open cannot be deleted by its name.
        file.Dispose();
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another restore has just taken it up: it finds the VM gone, and forgets it itself.
        }
    }

    /// <summary>
    /// The note of a building. Disposing it without <see cref="Close"/> leaves it for the next restore.
    /// </summary>
    internal sealed class Entry : IDisposable
    {
        private readonly FileStream _file;
        private readonly string _path;

        internal Entry(FileStream file, string path) => (_file, _path) = (file, path);

        /// <summary>Nothing unfinished is there: the VM is complete, or what there was of it is removed.</summary>
        internal void Close() => Forget(_file, _path);

        public void Dispose() => _file.Dispose();
    }
}
