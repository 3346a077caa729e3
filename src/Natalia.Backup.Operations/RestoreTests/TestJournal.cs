using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>
/// Remembers on this machine which restore tests run, in a file each that the system unlocks when its process dies: so
/// the next run tells a test VM of a dead process from one that is in another's hands, and destroys only the former.
/// </summary>
/// <param name="folder">Where the files lie.</param>
/// <param name="clock">Tells the age of what nobody knows.</param>
/// <param name="write">Writes a note over what is in its file; null for what does so.</param>
internal sealed class TestJournal(string folder, TimeProvider clock, Action<FileStream, byte[]>? write = null)
{
    private const string Ending = ".json";

    /// <summary>No test lasts longer; what is older and in no journal belongs to nobody who works.</summary>
    private static readonly TimeSpan s_longestTest = TimeSpan.FromHours(24);

    /// <summary>The place of this user on this machine.</summary>
    internal static string DefaultFolder
    {
        get
        {
            string root = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData);
            if (root.Length == 0) root = Path.GetTempPath();
            return Path.Combine(root, "Natalia.Backup", "restore-tests");
        }
    }

    /// <summary>Notes that a test begins, before anything of it is made.</summary>
    /// <param name="runId">The test's id.</param>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="bench">Where it runs.</param>
    /// <exception cref="NataliaException"><c>DestinationWriteFailed</c>: nothing was made.</exception>
    internal Entry Begin(string runId, string applianceId, HypervisorConnection bench)
    {
        string path = Path.Combine(folder, runId + Ending);
        try
        {
            Directory.CreateDirectory(folder);
            // Without a buffer: what could not be written is not tried again when the file is closed.
            var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1);
            Action<FileStream, byte[]> writer = write ?? Overwrite;
            var note = new Note(runId, applianceId, bench.Session.Kind, bench.Session.Location, false);
            try
            {
                writer(file, ToBytes(note));
            }
            catch
            {
                file.Dispose();
                File.Delete(path);
                throw;
            }
            return new Entry(file, path, note, writer);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
                $"Nothing is restored for a test, because '{folder}' cannot be written, where it would be noted for "
                + $"the case that this process dies: {e.Message}", folder,
                "Give this user a folder for local application data (HOME or LOCALAPPDATA) that can be written.", e);
        }
    }

    /// <summary>
    /// Destroys what tests of dead processes left on a bench, and what was kept of earlier tests of an appliance that
    /// is tested again.
    /// </summary>
    /// <param name="bench">Where.</param>
    /// <param name="testBench">The same, as what finds test VMs.</param>
    /// <param name="applianceIds">The appliances that are tested now.</param>
    /// <param name="warn">Told of each VM that was removed, or could not be.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal async Task SweepAsync(HypervisorConnection bench, ITestBench testBench,
        IReadOnlyCollection<string> applianceIds, Action<string> warn, CancellationToken cancellationToken)
    {
        List<(FileStream File, string Path, Note Note)> dead = TakeDead(bench, applianceIds,
            n => n.Location == bench.Session.Location);
        try
        {
            IReadOnlyList<ITestVM> there = await testBench.FindAsync(cancellationToken).ConfigureAwait(false);
            // A bench is known by several addresses. A run's id is random: where its mark is found, the note belongs.
            HashSet<string> marked = [.. there.Select(v => v.Info.RunId)];
            dead.AddRange(TakeDead(bench, applianceIds,
                n => n.Location != bench.Session.Location && marked.Contains(n.RunId)));
            foreach ((FileStream file, string path, Note note) in dead)
            {
                bool isGone = marked.Contains(note.RunId) || IsNowhere(there, bench, warn);
                foreach (ITestVM vm in there.Where(v => v.Info.RunId == note.RunId))
                    isGone &= await DestroyAsync(vm, note, bench, warn, cancellationToken).ConfigureAwait(false);
                if (isGone) Forget(file, path);
            }
            HashSet<string> known = [.. dead.Select(d => d.Note.RunId)];
            TellOfStrangers(there.Where(v => !known.Contains(v.Info.RunId)), bench, warn);
        }
        finally
        {
            foreach ((FileStream file, _, _) in dead) file.Dispose();
        }
    }

    /// <summary>Whether what is not found is not there: not seen is not gone.</summary>
    private static bool IsNowhere(IReadOnlyList<ITestVM> there, HypervisorConnection bench, Action<string> warn)
    {
        IReadOnlyList<string> unseen = PartialCollection.UnseenOf(there);
        if (unseen.Count == 0) return true;
        warn($"An earlier restore test on '{bench.Name}' was broken off or kept its VM, and whether that is still "
            + "there is not known, because not everything can be looked at now: "
            + $"{PartialCollection.Describe(unseen)}. The next test there looks again.");
        return false;
    }

    private static async Task<bool> DestroyAsync(ITestVM vm, Note note, HypervisorConnection bench,
        Action<string> warn, CancellationToken cancellationToken)
    {
        try
        {
            await vm.DestroyAsync(cancellationToken).ConfigureAwait(false);
            warn(note.IsKept
                ? $"The test VM {vm.Info} on '{bench.Name}', which was kept of an earlier test, was destroyed."
                : $"An earlier restore test was broken off and had left the test VM {vm.Info} on '{bench.Name}', "
                    + "which was destroyed.");
            return true;
        }
        catch (NataliaException e)
        {
            warn($"An earlier restore test has left the test VM {vm.Info} on '{bench.Name}', which could not be "
                + $"destroyed: {e.Message}");
            return false;
        }
    }

    /// <summary>What has the mark of a test, and was made by a machine or user whose journal is not here.</summary>
    private void TellOfStrangers(IEnumerable<ITestVM> there, HypervisorConnection bench, Action<string> warn)
    {
        foreach (ITestVM vm in there)
        {
            if (vm.Info.CreatedUtc is not DateTime made || clock.UtcNow() - made < s_longestTest) continue;
            if (File.Exists(Path.Combine(folder, vm.Info.RunId + Ending))) continue;
            warn($"The test VM {vm.Info} on '{bench.Name}' is of {made:yyyy-MM-dd HH:mm} UTC, and no test of this "
                + "user on this machine knows it. Remove it there unless somebody keeps it.");
        }
    }

    /// <summary>The notes of such a bench whose processes are gone, each locked now; of kept ones those of the
    /// appliances alone.</summary>
    private List<(FileStream File, string Path, Note Note)> TakeDead(HypervisorConnection bench,
        IReadOnlyCollection<string> applianceIds, Func<Note, bool> wanted)
    {
        List<(FileStream, string, Note)> dead = [];
        if (!Directory.Exists(folder)) return dead;
        foreach (string path in Directory.EnumerateFiles(folder, "*" + Ending))
        {
            FileStream? file = null;
            try
            {
                file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
                Note? note = Read(file);
                if (note is null && clock.UtcNow() - File.GetLastWriteTimeUtc(path) > s_longestTest)
                {
                    Forget(file, path);
                    file = null;
                    continue;
                }
                if (note is null || note.Kind != bench.Session.Kind || !wanted(note)
                    || (note.IsKept && !applianceIds.Contains(note.ApplianceId)))
                    continue;
                dead.Add((file, path, note));
                file = null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // In the hands of a test that runs, or gone with it a moment ago.
            }
            finally
            {
                file?.Dispose();
            }
        }
        return dead;
    }

    private static Note? Read(FileStream file)
    {
        try
        {
            using var reader = new StreamReader(file, Encoding.UTF8, false, 1024, leaveOpen: true);
            using JsonDocument document = JsonDocument.Parse(reader.ReadToEnd());
            JsonElement root = document.RootElement;
            return new Note(Text("run"), Text("appliance"), Text("kind"), Text("location"),
                root.TryGetProperty("kept", out JsonElement kept) && kept.ValueKind == JsonValueKind.True);

            string Text(string name) => root.GetProperty(name).GetString() ?? "";
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // The process died while it wrote the note, before anything was made; or it is no note of ours.
            return null;
        }
    }

    /// <summary>
    /// Writes a note over what is in its file. What was there is not given up first: where there is no room, it stays
    /// as it was.
    /// </summary>
    internal static void Overwrite(FileStream file, byte[] note)
    {
        file.Position = 0;
        file.Write(note, 0, note.Length);
        file.SetLength(note.Length);
        file.Flush(flushToDisk: true);
    }

    private static byte[] ToBytes(Note note)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory))
        {
            json.WriteStartObject();
            json.WriteString("run", note.RunId);
            json.WriteString("appliance", note.ApplianceId);
            json.WriteString("kind", note.Kind);
            json.WriteString("location", note.Location);
            json.WriteBoolean("kept", note.IsKept);
            json.WriteEndObject();
        }
        // As long as the note that it is written over: a death between the writing and the cutting to length leaves one
        // that can be read.
        if (note.IsKept) memory.WriteByte((byte)' ');
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
        catch (IOException)
        {
            // Another run has just taken it up: it finds the VM gone, and forgets it itself.
        }
    }

    /// <summary>What a note says.</summary>
    internal sealed record Note(string RunId, string ApplianceId, string Kind, string Location, bool IsKept);

    /// <summary>The note of a test that runs. Disposing it without saying how it ended leaves it for the next run.
    /// </summary>
    internal sealed class Entry : IDisposable
    {
        private readonly FileStream _file;
        private readonly string _path;
        private readonly Note _note;
        private readonly Action<FileStream, byte[]> _write;

        internal Entry(FileStream file, string path, Note note, Action<FileStream, byte[]> write) =>
            (_file, _path, _note, _write) = (file, path, note, write);

        /// <summary>Nothing of the test is there any more.</summary>
        internal void Close() => Forget(_file, _path);

        /// <summary>The VM stays, as the user asked: until the appliance is tested again.</summary>
        /// <exception cref="IOException">It could not be noted, and the VM is not to stay.</exception>
        internal void Keep() => _write(_file, ToBytes(_note with { IsKept = true }));

        public void Dispose() => _file.Dispose();
    }
}
