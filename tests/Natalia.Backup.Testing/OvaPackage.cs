using System.Formats.Tar;
using System.Text;

namespace Natalia.Backup.Testing;

/// <summary>OVAs for tests: a description and the images that it names, in one archive.</summary>
public static class OvaPackage
{
    /// <summary>Writes an OVA of a VM with one disk for each image, in their order.</summary>
    /// <param name="path">The file.</param>
    /// <param name="images">The images; each is in the OVA under its own name.</param>
    /// <returns>The file.</returns>
    public static string Make(string path, params string[] images) => Make(path, 1, images);

    /// <summary>The same of disks of a size, which a reader holds against the images.</summary>
    public static string Make(string path, long capacityBytes, params string[] images)
    {
        using FileStream file = File.Create(path);
        using var archive = new TarWriter(file, TarEntryFormat.Ustar);
        archive.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "natalia.ovf")
        {
            DataStream = new MemoryStream(Encoding.UTF8.GetBytes(Describe(capacityBytes, images))),
        });
        foreach (string image in images) archive.WriteEntry(image, Path.GetFileName(image));
        return path;
    }

    /// <summary>Adds a member to an OVA, which comes behind the others.</summary>
    public static void Add(string path, string name, string text)
    {
        string whole = path + ".new";
        using (var from = new TarReader(File.OpenRead(path)))
        using (var to = new TarWriter(File.Create(whole), TarEntryFormat.Ustar))
        {
            while (from.GetNextEntry(copyData: true) is TarEntry entry) to.WriteEntry(entry);
            to.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name)
            {
                DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)),
            });
        }
        File.Move(whole, path, overwrite: true);
    }

    /// <summary>The text of an OVF with these images.</summary>
    public static string Describe(params string[] images) => Describe(1, images);

    private static string Describe(long capacityBytes, string[] images)
    {
        string files = "", disks = "", items = "";
        for (int i = 0; i < images.Length; i++)
        {
            string name = Path.GetFileName(images[i]);
            files += $"<File ovf:href=\"{name}\" ovf:id=\"file{i}\"/>";
            disks += $"<Disk ovf:capacity=\"{capacityBytes}\" ovf:diskId=\"disk{i}\" ovf:fileRef=\"file{i}\"/>";
            items += $"<Item><rasd:HostResource>ovf:/disk/disk{i}</rasd:HostResource></Item>";
        }
        return $"""
            <Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
              xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
              <References>{files}</References>
              <DiskSection>{disks}</DiskSection>
              <VirtualSystem ovf:id="natalia"><VirtualHardwareSection>{items}</VirtualHardwareSection></VirtualSystem>
            </Envelope>
            """;
    }
}
