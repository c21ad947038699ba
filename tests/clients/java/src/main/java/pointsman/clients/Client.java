package pointsman.clients;
public class Client { public static void main(String[] a) {} }
