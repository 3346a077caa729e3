namespace Natalia.Backup.Hypervisors.HyperV.Windows;

/// <summary>How a Hyper-V host is talked to.</summary>
public enum HyperVTransport
{
    /// <summary>Over WS-Management (WinRM), which is what PowerShell's remoting uses.</summary>
    WSMan = 0,
    /// <summary>Over DCOM, for hosts without WinRM; it needs a wide range of ports.</summary>
    Dcom,
    /// <summary>This machine is the host itself.</summary>
    Local,
}
