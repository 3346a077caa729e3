using System.Diagnostics;

namespace Natalia.Backup.Testing;

/// <summary>
/// The processes of QEMU whose VMs lie in a folder, whoever started them: found by their command lines, for a test VM
/// has no file with its number, and a number in a file may be another process's by now. On Linux alone.
/// </summary>
public static class QemuProcesses
{
    /// <summary>How many there are.</summary>
    public static int CountOf(string folder)
    {
        IReadOnlyList<Process> found = Find(folder);
        foreach (Process process in found) process.Dispose();
        return found.Count;
    }

    /// <summary>Kills them, and waits until they are gone.</summary>
    public static void EndOf(string folder)
    {
        foreach (Process process in Find(folder))
        {
            using (process)
            {
                try
                {
                    process.Kill();
                    process.WaitForExit();
                }
                catch (InvalidOperationException)
                {
                    // It has ended by itself.
                }
            }
        }
    }

    private static List<Process> Find(string folder)
    {
        var found = new List<Process>();
        foreach (Process process in Process.GetProcesses())
        {
            string[] words = CommandLine(process.Id);
            if (words.Length > 0
                && Path.GetFileName(words[0]).StartsWith("qemu-system-", StringComparison.Ordinal)
                && words.Skip(1).Any(a => a.Contains(folder + "/", StringComparison.Ordinal)))
                found.Add(process);
            else
                process.Dispose();
        }
        return found;
    }

    /// <summary>Empty for a process that has ended.</summary>
    private static string[] CommandLine(int id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/cmdline").Split('\0');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
