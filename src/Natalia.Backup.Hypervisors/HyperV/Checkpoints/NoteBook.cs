using System.Collections.Concurrent;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;

namespace Natalia.Backup.Hypervisors.HyperV.Checkpoints;

/// <summary>Writes the notes of VMs, one writer of a VM at a time in this process.</summary>
internal static class NoteBook
{
    private static readonly ConcurrentDictionary<string, SemaphoreSlim> s_gates =
        new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads the notes anew, changes them and writes them when they are different.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, and what the host throws.</exception>
    internal static async Task ChangeAsync(Machine machine, Func<IReadOnlyList<string>, string> change,
        CancellationToken cancellationToken)
    {
        SemaphoreSlim gate = s_gates.GetOrAdd(machine.Id, _ => new SemaphoreSlim(1));
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            CimRow settings = await machine.Host.GetAsync(machine.SettingsPath, cancellationToken).ConfigureAwait(false)
                ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                    $"The VM '{machine.Name}' is no longer on the Hyper-V host '{machine.Host.Name}'.", machine.Name,
                    "If it was moved to another host, run the backup again.");
            IReadOnlyList<string> notes = settings.Texts("Notes");
            string changed = change(notes);
            if (changed == string.Join("\r\n", notes)) return;
            await machine.Host.CallAsync("Msvm_VirtualSystemManagementService", "ModifySystemSettings",
                new CimArguments
                {
                    { "SystemSettings", EmbeddedInstance.From(settings).Set("Notes", new[] { changed }).ToText() },
                }, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }
}
