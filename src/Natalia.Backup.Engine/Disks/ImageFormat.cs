namespace Natalia.Backup.Engine.Disks;

/// <summary>How a disk image is laid out.</summary>
public enum ImageFormat
{
    /// <summary>Not known.</summary>
    Unknown = 0,
    /// <summary>Byte n of the disk is byte n of the file.</summary>
    Raw,
    /// <summary>Hyper-V's format since 2012.</summary>
    Vhdx,
    /// <summary>Hyper-V's older format, of fixed or growing size.</summary>
    Vhd,
    /// <summary>VMware's format, all its kinds.</summary>
    Vmdk,
    /// <summary>QEMU's format.</summary>
    Qcow2,
    /// <summary>QEMU's first format.</summary>
    Qcow,
    /// <summary>A format of QEMU that is no longer made.</summary>
    Qed,
    /// <summary>VirtualBox's format.</summary>
    Vdi,
    /// <summary>The format of Parallels and Virtuozzo.</summary>
    Parallels,
    /// <summary>No disk image at all: an archive, a compressed file, another product's backup.</summary>
    Container,
}

/// <summary>What a file's content shows it to be.</summary>
/// <param name="Format">Its format; Unknown where its ends show two.</param>
/// <param name="Description">What it is, for a sentence that begins with "It is".</param>
public sealed record DetectedImage(ImageFormat Format, string Description);
