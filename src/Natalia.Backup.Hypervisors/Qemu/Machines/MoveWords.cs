namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>What a person is told while the disks of a VM are moved: each thing once.</summary>
/// <param name="machine">The VM.</param>
/// <param name="tell">Takes it, or null.</param>
internal sealed class MoveWords(Machine machine, Action<string>? tell)
{
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);

    /// <summary>Tells what one look has shown; null for a look that was not answered.</summary>
    internal void TellOf(MoveLook? look)
    {
        if (look is null)
            Once($"The monitor of the VM '{machine.Name}' does not answer. Its disks are moved meanwhile; see whether "
                + $"another program holds '{machine.Monitor}'.");
        if (look is { IsOutOfRoom: true })
            Once($"There is no room in '{machine.Folder}' for the disks of the VM '{machine.Name}'. Its own writes may "
                + "wait, too. Make room, and all goes on by itself.");
        if (look is { HasFailedRequest: true })
            Once($"A disk of the VM '{machine.Name}' cannot be read from the restore point, or not be written to "
                + $"'{machine.Folder}'. It is tried again and again: see whether the repository answers, and whether "
                + "this user may write more there. Ctrl-C gives up and removes the VM.");
        if (look is { IsHalted: true })
            Once($"The VM '{machine.Name}' is halted, because its disk could not be read or written: there is no room "
                + $"in '{machine.Folder}', or the repository does not answer. It goes on by itself when that is over.");
    }

    internal void TellHalted() =>
        Once($"The VM '{machine.Name}' has all of its disks and is halted, because they cannot be read or written. "
            + $"Make room in '{machine.Folder}', and give its monitor '{machine.Monitor}' the command 'cont'.");

    private void Once(string text)
    {
        if (_told.Add(text)) tell?.Invoke(text);
    }
}
