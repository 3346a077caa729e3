using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>The files of OVMF: the firmware itself, and the variables of a machine that was never started.</summary>
/// <param name="Code">The firmware, which all VMs share and none writes.</param>
/// <param name="Variables">What a new VM's variables are a copy of.</param>
internal sealed record UefiFirmware(string Code, string Variables)
{
    /// <summary>Where the distributions put them: Debian and Ubuntu, Fedora, Arch, SUSE.</summary>
    private static readonly UefiFirmware[] s_known =
    [
        new("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        new("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        new("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
        new("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
        new("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ];

    /// <summary>The firmware of this machine, or null.</summary>
    internal static UefiFirmware? Find() =>
        s_known.FirstOrDefault(f => File.Exists(f.Code) && File.Exists(f.Variables));

    /// <summary>The firmware of this machine.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>.</exception>
    internal static UefiFirmware Require() =>
        Find() ?? throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
            "The VM boots by UEFI, and no UEFI firmware for VMs is installed on this machine.", s_known[0].Code,
            "Install it: on Debian and Ubuntu it is in the package ovmf.");
}
