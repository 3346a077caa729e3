using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>Lets one call fail, or the process die at it, before or after it took effect.</summary>
internal sealed class FaultyCalls(CallFault fault) : HostCalls
{
    private int _calls;
    private bool _isDead;

    internal override void Before(string call)
    {
        if (_isDead) throw new SimulatedCrashException(call);
        if (_calls == fault.At && !fault.IsAfter) Strike(call);
    }

    internal override void After(string call)
    {
        if (_calls == fault.At && fault.IsAfter) Strike(call);
        _calls++;
    }

    private void Strike(string call)
    {
        _calls++;
        if (!fault.IsDeath)
            throw new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.Timeout, $"No answer ({call}).");
        _isDead = true;
        throw new SimulatedCrashException(call);
    }
}
